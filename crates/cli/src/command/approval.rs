//! `approval` and `approve`: a person's yes or no.
//!
//! A yes needs a terminal of the person's own: the card is shown there, what was typed before is discarded, and the word is asked for.

use std::{
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, Write},
};

use bailiwick_client::Client;
use bailiwick_core::{Answer, Approval as Given, Scope};
use bailiwick_wire::{AnswerRequest, ApprovalView};
use rustix::termios::{QueueSelector, tcflush, tcgetwinsize};

use crate::{
    args::Approval,
    card::{self, Words},
    command::reference,
    output::{Failure, NO, Output},
};

pub(crate) fn execute(command: &Approval, client: &Client, output: &Output) -> Result<(), Failure> {
    match command {
        Approval::List { all } => list(*all, client, output),
        Approval::Show { approval } => {
            let view = find(approval, client)?;
            output.data(&view, || card::lines(&view, (1, 1), 100).join("\n"))?;
            Ok(())
        }
        Approval::Yes { approval } => answer(&find(approval, client)?, (1, 1), client, output),
        Approval::No { approval } => say(&find(approval, client)?, Answer::No, Scope::Effect, client, output),
    }
}

/// Shows the next card, or with `together` all that wait in its session, and sends what the person says.
pub(crate) fn approve(together: bool, client: &Client, output: &Output) -> Result<(), Failure> {
    let open: Vec<ApprovalView> = client.get("/v1/approvals")?;
    let Some(view) = open.first() else {
        output.say("nothing waits for a person");
        return Ok(());
    };
    let bundle: Vec<&ApprovalView> = open.iter().filter(|other| other.session == view.session).collect();
    if together && bundle.len() > 1 {
        return answer_all(&bundle, client, output);
    }
    answer(view, (1, open.len()), client, output)
}

/// One word for several cards: each answer is for exactly what its card shows, once.
fn answer_all(views: &[&ApprovalView], client: &Client, output: &Output) -> Result<(), Failure> {
    let words = Words::new();
    let cards = views.iter().enumerate().map(|(at, view)| (*view, (at + 1, views.len())));
    let said = ask(cards, &words.lines_for(views.len()), |typed| words.read_once(typed))?;
    let Some(answer) = said else { return Err(unanswered(views[0])) };
    // One that is gone meanwhile does not keep the others from being answered; it is told at the end.
    let mut failed = None;
    for view in views {
        failed = say(view, answer, Scope::Effect, client, output).err().or(failed);
    }
    failed.map_or(Ok(()), Err)
}

fn answer(
    view: &ApprovalView,
    place: (usize, usize),
    client: &Client,
    output: &Output,
) -> Result<(), Failure> {
    let words = Words::new();
    match ask([(view, place)], &words.lines(), |typed| words.read(typed))? {
        Some((answer, scope)) => say(view, answer, scope, client, output),
        None => Err(unanswered(view)),
    }
}

fn list(all: bool, client: &Client, output: &Output) -> Result<(), Failure> {
    let views: Vec<ApprovalView> =
        client.get(if all { "/v1/approvals?all=true" } else { "/v1/approvals" })?;
    if views.is_empty() && !output.json() {
        output.say("nothing waits for a person");
    }
    for view in &views {
        output.data(view, || {
            format!("{}  {:<7}  {}  {:<12}  {}", view.id, view.state, view.asked_at, view.agent, view.line)
        })?;
    }
    Ok(())
}

fn find(approval: &str, client: &Client) -> Result<ApprovalView, Failure> {
    let approval = reference("approval", approval, "bailiwick approval list")?;
    Ok(client.get(&format!("/v1/approvals/{approval}"))?)
}

fn say(
    view: &ApprovalView,
    answer: Answer,
    scope: Scope,
    client: &Client,
    output: &Output,
) -> Result<(), Failure> {
    let request = AnswerRequest { answer, scope, digest: view.digest };
    let given: Given = client.post(&format!("/v1/approvals/{}", view.id), &request)?;
    output.data(&given, || match given.answer {
        Answer::No => format!("no to {}", view.line),
        Answer::Yes => format!("yes to {}, until {}", view.line, given.expires_at),
    })?;
    Ok(())
}

/// Shows cards on the person's own terminal, with what may be typed, and reads the answer there, whatever the standard streams are.
fn ask<'v, A>(
    cards: impl IntoIterator<Item = (&'v ApprovalView, (usize, usize))>,
    words: &[String],
    read: impl Fn(&str) -> Option<A>,
) -> Result<Option<A>, Failure> {
    let mut terminal = terminal()?;
    let columns = tcgetwinsize(&terminal).map_or(80, |size| usize::from(size.ws_col));
    let cards = cards.into_iter().flat_map(|(view, place)| card::lines(view, place, columns));
    let shown: String = cards.chain(words.iter().cloned()).map(|line| line + "\n").collect();
    write!(terminal, "\n{shown}\n")?;
    terminal.flush()?;
    // What was typed before the card could be read answers nothing.
    tcflush(&terminal, QueueSelector::IFlush).map_err(|error| Failure::new(NO, "terminal", error))?;
    write!(terminal, "answer: ")?;
    terminal.flush()?;
    let mut typed = String::new();
    BufReader::new(terminal).read_line(&mut typed)?;
    Ok(read(&typed))
}

fn terminal() -> Result<File, Failure> {
    OpenOptions::new().read(true).write(true).open("/dev/tty").map_err(|error| {
        Failure::new(NO, "terminal", format!("a person says yes at a terminal, and there is none: {error}"))
            .fix("bailiwick approve   (at a terminal of your own)")
    })
}

fn unanswered(view: &ApprovalView) -> Failure {
    Failure::new(NO, "unanswered", "that is none of the words on the card; it waits on")
        .fix(format!("bailiwick approval yes {}", view.id))
}
