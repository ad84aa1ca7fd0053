//! JSON that has one reading: valid, of bounded depth, and no name twice in one object (RFC 8259 §4 leaves open which one counts). While
//! it is read, the rules of an [`Inspection`] are held against it, and nothing of it is kept but what they ask for.

use std::{collections::HashSet, fmt};

use bailiwick_catalogue::{Check, Inspection, Step, is_listed};
use bailiwick_core::{Arguments, Effects, Reason, ReasonCode};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::malformed::Malformed;

/// Names and values of an agent's are shown up to here.
const SHOWN: usize = 64;
const TWICE: &str = "an object has a name twice";

/// What was found in a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Arguments for the policy.
    pub(crate) arguments: Arguments,
    /// Effects beside those of the route.
    pub(crate) effects: Option<Effects>,
}

/// Reads `bytes`, the body of a request to `resource`, and holds `inspection` against it.
pub(crate) fn read(bytes: &[u8], inspection: Option<&Inspection>, resource: &str) -> Result<Found, Reason> {
    let rules = inspection.map_or(&[] as &[_], |inspection| &inspection.rules);
    let mut reading =
        Reading { rules, seen: vec![false; rules.len()], found: Found::default(), broken: None };
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let at = (0..rules.len()).map(|rule| (rule, 0)).collect();
    // The depth is bounded by serde_json itself, to 128.
    let read =
        Seed { reading: &mut reading, at }.deserialize(&mut deserializer).and_then(|()| deserializer.end());
    match (read, reading.broken.take()) {
        (Ok(()), None) => Ok(reading.finish()),
        (_, Some(broken)) => Err(broken.reason(inspection, resource)),
        (Err(error), None) => {
            let detail = format!("the body is not JSON with one reading: {}", kind(&error));
            Err(Malformed::new(detail).reason())
        }
    }
}

/// What is wrong, without quoting the body.
fn kind(error: &serde_json::Error) -> String {
    let what = if error.to_string().starts_with(TWICE) { TWICE } else { "it cannot be parsed" };
    format!("{what}, at line {} column {}", error.line(), error.column())
}

struct Reading<'r> {
    rules: &'r [bailiwick_catalogue::Rule],
    /// By rule, whether something stood in its place.
    seen: Vec<bool>,
    found: Found,
    broken: Option<Broken>,
}

/// What stands against a rule.
struct Broken {
    rule: usize,
    what: What,
}

enum What {
    /// A name that the object may not have.
    Key(String),
    /// A value that may not stand there.
    Value(String),
    /// Something of another form than the rule is for, so that it would be passed by.
    Form(&'static str),
}

impl Broken {
    fn reason(&self, inspection: Option<&Inspection>, resource: &str) -> Reason {
        let Some((inspection, rule)) = inspection.and_then(|it| Some((it, it.rules.get(self.rule)?))) else {
            return Malformed::new("the body has another form than its rules are for").reason();
        };
        let place = rule.place.to_string();
        let (detail, line) = match &self.what {
            What::Key(name) => {
                let name = shown(name);
                let whole = if place.is_empty() { name } else { format!("{place}.{name}") };
                (format!("the body has `{whole}`, which is not allowed there"), whole)
            }
            What::Value(value) => {
                let value = shown(value);
                (
                    format!("the body has `{value}` as `{place}`, which is not allowed there"),
                    format!("{place} = {value}"),
                )
            }
            What::Form(form) => {
                return Malformed::new(format!("the body has {form} at or above `{place}`")).reason();
            }
        };
        let detail = match &rule.why {
            Some(why) => format!("{detail}: {why}"),
            None => detail,
        };
        Reason::new(ReasonCode::NotPermitted, detail).with_fix(format!(
            "do without it, or let the person write in resources/{resource}.toml: [inspect.{}] allow = [\"{line}\"]",
            inspection.name
        ))
    }
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN).collect::<String>().escape_debug().to_string()
}

impl Reading<'_> {
    fn finish(mut self) -> Found {
        for (rule, seen) in self.rules.iter().zip(&self.seen) {
            if let Check::Effects { effects, absent: true, .. } = &rule.check
                && !seen
            {
                self.found.add(*effects);
            }
        }
        self.found
    }

    fn broken<E: Error>(&mut self, rule: usize, what: What) -> E {
        self.broken = Some(Broken { rule, what });
        E::custom("a rule stands against it")
    }

    /// A value of no parts, in all its forms: `text` is how it is written, `argument` what it is.
    fn scalar<E: Error>(
        &mut self,
        at: &[(usize, usize)],
        text: &str,
        argument: &bailiwick_core::Value,
    ) -> Result<(), E> {
        for (rule, _) in self.complete(at) {
            self.seen[rule] = true;
            match &self.rules[rule].check {
                Check::Values(values) if !is_listed(values, text) => {
                    return Err(self.broken(rule, What::Value(text.to_owned())));
                }
                Check::Effects { effects, values, absent: false }
                    if values.as_ref().is_none_or(|values| is_listed(values, text)) =>
                {
                    self.found.add(*effects);
                }
                Check::Argument(name) => {
                    self.found.arguments.insert(name.clone(), argument.clone());
                }
                Check::Values(_) | Check::Keys(_) | Check::Effects { .. } => {}
            }
        }
        Ok(())
    }

    /// An object or a list.
    fn composite<E: Error>(&mut self, at: &[(usize, usize)], object: bool) -> Result<(), E> {
        for &(rule, depth) in at {
            let form = match (self.rules[rule].place.steps().get(depth), object) {
                (Some(Step::Item), true) => Some("an object, where a list belongs,"),
                (Some(Step::Member(_)), false) => Some("a list, where an object belongs,"),
                (Some(_), _) => None,
                (None, _) => {
                    self.seen[rule] = true;
                    match &self.rules[rule].check {
                        Check::Keys(_) if !object => Some("a list, where an object belongs,"),
                        Check::Values(_) | Check::Argument(_) => Some("no plain value"),
                        Check::Effects { effects, values: None, absent: false } => {
                            self.found.add(*effects);
                            None
                        }
                        Check::Effects { .. } | Check::Keys(_) => None,
                    }
                }
            };
            if let Some(form) = form {
                return Err(self.broken(rule, What::Form(form)));
            }
        }
        Ok(())
    }

    fn complete(&self, at: &[(usize, usize)]) -> Vec<(usize, usize)> {
        at.iter().copied().filter(|(rule, depth)| self.rules[*rule].place.steps().len() == *depth).collect()
    }

    /// The rules that go on into the member `name`, or into an item.
    fn onward(&self, at: &[(usize, usize)], name: Option<&str>) -> Vec<(usize, usize)> {
        let goes = |(rule, depth): &(usize, usize)| match (self.rules[*rule].place.steps().get(*depth), name)
        {
            (Some(Step::Member(own)), Some(name)) => own == name,
            (Some(Step::Item), None) => true,
            _ => false,
        };
        at.iter().filter(|at| goes(at)).map(|(rule, depth)| (*rule, depth + 1)).collect()
    }
}

impl Found {
    fn add(&mut self, effects: Effects) {
        self.effects = Some(self.effects.map_or(effects, |known| known.union(effects)));
    }
}

/// One value, and the rules whose way leads through it.
struct Seed<'a, 'r> {
    reading: &'a mut Reading<'r>,
    at: Vec<(usize, usize)>,
}

impl<'de> DeserializeSeed<'de> for Seed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.reading.scalar(&self.at, if value { "true" } else { "false" }, &value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.reading.scalar(&self.at, &value.to_string(), &value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        let text = value.to_string();
        let argument = i64::try_from(value).map_or_else(|_| text.as_str().into(), Into::into);
        self.reading.scalar(&self.at, &text, &argument)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        let text = value.to_string();
        self.reading.scalar(&self.at, &text, &text.as_str().into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.reading.scalar(&self.at, value, &value.into())
    }

    /// `null` is what is not there.
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Self { reading, at } = self;
        reading.composite(&at, false)?;
        let within = reading.onward(&at, None);
        while items.next_element_seed(Seed { reading: &mut *reading, at: within.clone() })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Self { reading, at } = self;
        reading.composite(&at, true)?;
        let complete = reading.complete(&at);
        let mut names = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            for (rule, _) in &complete {
                if let Check::Keys(keys) = &reading.rules[*rule].check
                    && !is_listed(keys, &name)
                {
                    return Err(reading.broken(*rule, What::Key(name)));
                }
            }
            let at = reading.onward(&at, Some(&name));
            if !names.insert(name) {
                return Err(A::Error::custom(TWICE));
            }
            members.next_value_seed(Seed { reading: &mut *reading, at })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bailiwick_catalogue::{Definition, Resource};

    use super::*;

    fn check(bytes: &[u8]) -> Result<(), String> {
        read(bytes, None, "api").map(drop).map_err(|reason| reason.detail)
    }

    fn inspected(rules: &str, body: &str) -> Result<Found, Reason> {
        let route =
            "[[route]]\nmethod = 'POST'\npath = '/'\noperation = 'a.b'\neffects = ['write']\ninspect = 'x'\n";
        let text = format!("address = 'https://api.example'\n{rules}\n{route}");
        let resource: Resource = Definition::load("api".parse().unwrap(), "api.toml", &text).unwrap();
        read(body.as_bytes(), resource.routes[0].inspect.as_deref(), "api")
    }

    #[test]
    fn one_reading_or_none() {
        for good in ["{}", "[1, 2.5, null, true, \"x\"]", r#"{"a": {"b": 1}, "b": 2}"#] {
            assert!(check(good.as_bytes()).is_ok(), "{good}");
        }
        let deep = "[".repeat(1000);
        for bad in [
            "",
            "{",
            "{} {}",
            r#"{"a": 1, "a": 2}"#,
            r#"{"a": 1, "\u0061": 2}"#,
            r#"[{"x": {"y": 1, "y": 1}}]"#,
            "NaN",
            &deep,
        ] {
            assert!(check(bad.as_bytes()).is_err(), "{bad:.40}");
        }
        assert!(check(b"\"\xff\"").is_err());
    }

    #[test]
    fn an_error_does_not_quote_the_body() {
        let error = check(br#"{"MARKER": 1, "MARKER": 2}"#).unwrap_err();
        assert!(error.contains("twice") && !error.contains("MARKER"), "{error}");
    }

    const RULES: &str = r#"
        [inspect.x]
        arguments = { model = "model" }
        [[inspect.x.rule]]
        at = ""
        keys = ["model", "tools", "messages", "force"]
        [[inspect.x.rule]]
        at = "tools[].type"
        values = ["custom", "bash_*"]
        why = "others run elsewhere"
        [[inspect.x.rule]]
        at = "messages[].content[].source.type"
        values = ["base64"]
        [[inspect.x.rule]]
        at = "force"
        values = ["true"]
        effects = ["destructive"]
    "#;

    #[test]
    fn only_what_is_listed_may_stand_there() {
        for good in [
            r#"{"model": "m", "tools": [{"type": "custom"}, {"name": "no type"}, {"type": "bash_20250124"}]}"#,
            r#"{"tools": null, "messages": [{"content": "text"}]}"#,
            r#"{"messages": [{"content": [{"source": {"type": "base64"}}, {"input": {"source": {"type": "url"}}}]}]}"#,
            r#"{"tools": [{"type": "custom", "input_schema": {"mcp_servers": 1, "type": "object"}}]}"#,
        ] {
            assert!(inspected(RULES, good).is_ok(), "{good}");
        }
        for bad in [
            r#"{"mcp_servers": []}"#,
            r#"{"Model": "m"}"#,
            r#"{"tools": [{"type": "web_search_20250305"}]}"#,
            r#"{"tools": [{"type": "custom"}, {"type": "web_fetch"}]}"#,
            r#"{"tools": [{"t\u0079pe": "web_fetch"}]}"#,
            r#"{"tools": {"type": "web_fetch"}}"#,
            r#"{"tools": [[{"type": "web_fetch"}]]}"#,
            r#"{"tools": [{"type": ["web_fetch"]}]}"#,
            r#"{"tools": [{"type": {"web_fetch": 1}}]}"#,
            r#"{"messages": [{"content": [{"source": {"type": "url"}}]}]}"#,
            r#"{"messages": [{"content": {"source": {"type": "url"}}}]}"#,
            r#"{"tools": [{"type": "custom", "type": "web_fetch"}]}"#,
            r#"[{"model": "m"}]"#,
        ] {
            assert!(inspected(RULES, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_refusal_says_the_line_that_would_allow_it() {
        let reason = inspected(RULES, r#"{"tools": [{"type": "web_search_20250305"}]}"#).unwrap_err();
        assert_eq!(reason.code, ReasonCode::NotPermitted);
        assert!(reason.detail.contains("others run elsewhere"), "{}", reason.detail);
        let line = "[inspect.x] allow = [\"tools[].type = web_search_20250305\"]";
        assert!(reason.fix.unwrap().contains(line));
        let allowed = RULES.replace(
            "[inspect.x]\n",
            "[inspect.x]\nallow = ['tools[].type = web_search_20250305', 'mcp_servers']\n",
        );
        assert!(
            inspected(&allowed, r#"{"tools": [{"type": "web_search_20250305"}], "mcp_servers": []}"#).is_ok()
        );
    }

    #[test]
    fn what_it_says_reaches_the_decision() {
        let found = inspected(RULES, r#"{"model": "m-1", "force": true}"#).unwrap();
        assert_eq!(found.arguments["model"], "m-1".into());
        assert!(found.effects.unwrap().contains(bailiwick_core::EffectClass::Destructive));
        assert_eq!(inspected(RULES, r#"{"force": false}"#).unwrap().effects, None);
    }
}
