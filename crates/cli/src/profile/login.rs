//! Who a program may be: which of its logins the daemon has, taking over what the person has already, and the dummies that stand inside
//! in the place of the rest.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, BufRead, IsTerminal, Write},
    path::Path,
};

use bailiwick_catalogue::{Definition, Resource};
use bailiwick_client::Client;
use bailiwick_core::Name;
use bailiwick_launch::Dummy;
use bailiwick_profile::{Fillings, Found, Login, Profile, Source, Stamp};
use bailiwick_wire::{Done, SecretValue, SecretView};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{memory::Memory, takeover};
use crate::{
    command::{declare, names},
    environment::Environment,
    output::{Failure, Output},
};

/// What stands inside for the logins of a profile.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    /// Variables.
    pub(crate) environment: Vec<(String, String)>,
    /// Files, as the profile names them, and what is in them.
    pub(crate) files: Vec<(bailiwick_profile::File, String)>,
    /// The dummies themselves, for the gateway to know.
    pub(crate) dummies: Vec<Dummy>,
}

/// A run's question about logins.
pub(crate) struct Settling<'a> {
    pub(crate) name: &'a Name,
    pub(crate) profile: &'a Profile,
    pub(crate) environment: &'a Environment,
    pub(crate) output: &'a Output,
    pub(crate) workspace: &'a Path,
    /// Take over what is found without asking, also in the place of what is there.
    pub(crate) import: bool,
}

impl Settling<'_> {
    /// Settles who the program is: what the daemon has, then what the person has, if they say yes.
    pub(crate) fn settle(&self) -> Result<Standing, Failure> {
        if self.profile.logins.is_empty() {
            return Ok(Standing::default());
        }
        let client = Client::new(&self.environment.home);
        let mut memory = Memory::of(&self.environment.home, self.name);
        let mut active = self.active(&client)?;
        let offers = if self.import || !memory.declined { self.offers(&active) } else { Vec::new() };
        let accepted = if self.import { !offers.is_empty() } else { self.asks(&offers, &mut memory)? };
        if accepted {
            for (login, _, found) in offers {
                self.take_over(&client, login, found, &mut memory)?;
            }
            active = self.active(&client)?;
        }
        let needs_one = self.profile.logins.iter().any(|login| !login.optional);
        if needs_one && active.iter().all(|login| login.optional) {
            self.open_the_door()?;
            self.say_how();
        }
        self.stand(&active, &memory)
    }

    /// The logins whose resource is declared and has its secret; one for each resource.
    pub(crate) fn active(&self, client: &Client) -> Result<Vec<&Login>, Failure> {
        let secrets = client.get::<Vec<SecretView>>("/v1/secrets")?;
        let mut active: Vec<&Login> = Vec::new();
        for login in &self.profile.logins {
            let taken = active.iter().any(|other| other.resource == login.resource);
            let Some(resource) = declared(self.environment, &login.resource) else { continue };
            let secret = resource.credential.as_ref().map(|credential| &credential.secret);
            let has = secret.is_some_and(|name| secrets.iter().any(|secret| secret.name == *name));
            if !taken && has && fits(login, &resource) {
                active.push(login);
            }
        }
        Ok(active)
    }

    /// What the person has that could be taken over: for each resource without a login, the first that is found.
    fn offers(&self, active: &[&Login]) -> Vec<(&Login, &Source, Found)> {
        let mut offers: Vec<(&Login, &Source, Found)> = Vec::new();
        for login in &self.profile.logins {
            let settled = !self.import && active.iter().any(|other| other.resource == login.resource);
            let offered = offers.iter().any(|(other, ..)| other.resource == login.resource);
            let unasked = login.optional && !self.import && !somebody_is_there();
            if settled || offered || unasked || (login.optional && elsewhere(self.environment, login)) {
                continue;
            }
            let complain = |problem| self.output.say(format!("bailiwick: {problem}"));
            if let Some((source, found)) = takeover::find(login, self.environment, self.workspace, complain) {
                offers.push((login, source, found));
            }
        }
        // One login is enough: what is asked for beyond the first that is needed would be more than the program needs.
        let mut needed = active.iter().all(|login| login.optional) || self.import;
        offers.retain(|(login, ..)| login.optional || std::mem::take(&mut needed));
        offers
    }

    fn asks(&self, offers: &[(&Login, &Source, Found)], memory: &mut Memory) -> Result<bool, Failure> {
        if offers.is_empty() {
            return Ok(false);
        }
        let found =
            offers.iter().map(|(login, source, _)| format!("{} ({})", login.title, source.describe()));
        let found = found.collect::<Vec<_>>().join(" and ");
        if !somebody_is_there() {
            self.output.say(format!(
                "bailiwick: {} could use {found}; take it over with `bailiwick run --import -- …`",
                self.profile.title
            ));
            return Ok(false);
        }
        let mut stderr = io::stderr().lock();
        write!(
            stderr,
            "bailiwick: may {} use {found}? The gateway keeps it and puts it into its requests; inside stands a dummy. [y/N] ",
            self.profile.title
        )?;
        stderr.flush()?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        let yes = matches!(answer.trim(), "y" | "Y" | "yes" | "Yes");
        if !yes {
            memory.declined = true;
            memory.keep(&self.environment.home, self.name)?;
            self.output.say("bailiwick: not taken over, and not asked again; `--import` does it later");
        }
        Ok(yes)
    }

    fn take_over(
        &self,
        client: &Client,
        login: &Login,
        found: Found,
        memory: &mut Memory,
    ) -> Result<(), Failure> {
        let (home, name) = (&self.environment.home, &login.resource);
        let resource = match declared(self.environment, name) {
            Some(resource) if fits(login, &resource) => resource,
            // Another login of this profile was taken over before: its declaration is ours to replace.
            Some(resource) if !self.profile.logins.iter().any(|other| made_by(other, &resource)) => {
                let detail =
                    format!("the resource `{name}` is declared in another way than {} needs", login.title);
                let fix = format!("bailiwick resource remove {name}, or `bailiwick secret set {name}`");
                return Err(Failure::usage(detail).fix(fix));
            }
            Some(_) | None => {
                let resource =
                    login.definition.clone().into_resource(name.clone()).map_err(Failure::usage)?;
                let text = toml::to_string(&login.definition).map_err(io::Error::other)?;
                declare(self.environment, name, &text)?;
                resource
            }
        };
        let Some(credential) = &resource.credential else { return Ok(()) };
        memory.facts.insert(name.clone(), found.facts.clone());
        memory.declined = false;
        let value = found.into_secret().to_string();
        client.put::<Done>(&format!("/v1/secrets/{}", credential.secret), &SecretValue { value })?;
        memory.keep(home, self.name)?;
        self.output.say(format!("bailiwick: took over {} for the resource `{name}`", login.title));
        Ok(())
    }

    /// Declares what can be logged in to from inside, where nothing of that name is declared.
    fn open_the_door(&self) -> Result<(), Failure> {
        let mut inside = self.profile.logins.iter().filter(|login| login.is_possible_inside());
        let Some(login) = inside.next() else { return Ok(()) };
        if declared(self.environment, &login.resource).is_some() || elsewhere(self.environment, login) {
            return Ok(());
        }
        let text = toml::to_string(&login.definition).map_err(io::Error::other)?;
        declare(self.environment, &login.resource, &text)
    }

    fn say_how(&self) {
        let ways: Vec<&str> = self
            .profile
            .logins
            .iter()
            .filter(|login| !login.optional)
            .map(|login| login.how.as_str())
            .filter(|how| !how.is_empty())
            .collect();
        self.output.say(format!("bailiwick: {} has no login; {}", self.profile.title, ways.join("; or ")));
    }

    /// The dummies of this run, and the variables and files they stand in.
    fn stand(&self, active: &[&Login], memory: &Memory) -> Result<Standing, Failure> {
        let mut standing = Standing::default();
        for login in active {
            let known = memory.facts.get(&login.resource);
            let fillings = self.fillings(login, known, &mut standing.dummies)?;
            let fill = |text: &String| fillings.fill(text).map_err(Failure::usage);
            for (name, text) in &login.environment {
                standing.environment.push((name.clone(), fill(text)?));
            }
            for file in &login.files {
                standing.files.push((file.clone(), fill(&file.contents)?));
            }
        }
        Ok(standing)
    }

    fn fillings(
        &self,
        login: &Login,
        known: Option<&BTreeMap<String, String>>,
        dummies: &mut Vec<Dummy>,
    ) -> Result<Fillings, Failure> {
        let now = OffsetDateTime::now_utc();
        let mut fillings = Fillings::default().with("now", now.format(&Rfc3339).map_err(io::Error::other)?);
        for (name, value) in &login.facts {
            let value = known.and_then(|known| known.get(name)).unwrap_or(value);
            fillings = fillings.with(name, value);
        }
        let facts = fillings.clone();
        for (name, form) in &login.dummies {
            let random = random()?;
            let stamp = Stamp { random: &random, now: now.unix_timestamp() };
            let text = form.dummy(stamp, &facts).map_err(Failure::usage)?;
            dummies.push(Dummy { resource: login.resource.clone(), text: text.clone() });
            fillings = fillings.with(name, text);
        }
        Ok(fillings)
    }
}

fn random() -> io::Result<[u8; 64]> {
    let mut random = [0; 64];
    let got = rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
    if got == random.len() {
        Ok(random)
    } else {
        Err(io::Error::other("the system has too little randomness"))
    }
}

/// Whether there is a person to ask.
fn somebody_is_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// The resource as it is declared now.
fn declared(environment: &Environment, name: &Name) -> Option<Resource> {
    let path = environment.home.join("resources").join(format!("{name}.toml"));
    let text = fs::read_to_string(&path).ok()?;
    Definition::load(name.clone(), &path.display().to_string(), &text).ok()
}

/// Whether the person has declared what the login opens under another name: that is theirs to open.
fn elsewhere(environment: &Environment, login: &Login) -> bool {
    let Ok(wanted) = login.definition.clone().into_resource(login.resource.clone()) else { return true };
    let names = names(environment).unwrap_or_default();
    let others = names.iter().filter(|name| **name != login.resource);
    let others: Vec<Resource> = others.filter_map(|name| declared(environment, name)).collect();
    let addresses = |resource: &Resource| resource.addresses.clone();
    others.iter().flat_map(addresses).any(|address| wanted.addresses.contains(&address))
}

/// Whether the credential of the resource is the login's: it goes into the same place, and is refreshed in the same way.
fn fits(login: &Login, resource: &Resource) -> bool {
    let wanted = login.definition.clone().into_resource(login.resource.clone());
    let wanted = wanted.ok().and_then(|resource| resource.credential);
    match (wanted, &resource.credential) {
        (Some(wanted), Some(there)) => {
            wanted.pattern == there.pattern && wanted.oauth.is_some() == there.oauth.is_some()
        }
        (_, _) => false,
    }
}

/// Whether the resource is what the login declares, to the letter.
fn made_by(login: &Login, resource: &Resource) -> bool {
    login.definition.clone().into_resource(login.resource.clone()).is_ok_and(|made| made == *resource)
}
