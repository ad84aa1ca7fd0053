//! The branches that a forge says it has: the reference advertisement of smart HTTP (gitprotocol-http, versions 0 and 1) and the answer to
//! `ls-refs` (gitprotocol-v2).

use crate::Id;

/// The branches of a repository, as its forge told them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heads {
    /// The commits that branches are at, the default branch's first where it is known.
    pub tips: Vec<Id>,
}

/// The most branches that are kept.
const MOST: usize = 10_000;

impl Heads {
    /// Whether an answer that begins with these bytes, eight or more, can be one that [`read`](Self::read) understands.
    pub fn may_begin(bytes: &[u8]) -> bool {
        let Some((length, line)) = bytes.split_at_checked(4) else { return true };
        let known: [&[u8]; 3] = [b"# service=git-", b"version 1", b"shallow "];
        let head = |known: &&[u8]| known.iter().zip(line).all(|(one, other)| one == other);
        let named = line.iter().take(40).all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        length == b"0000" || named || known.iter().any(head)
    }

    /// What `answer` tells; `None` if it is not such an answer, whole.
    pub fn read(answer: &[u8]) -> Option<Self> {
        let (mut tips, mut head) = (Vec::new(), None);
        let (mut at, mut announced) = (0, false);
        loop {
            let length = length(answer.get(at..at + 4)?)?;
            if length == 0 {
                at += 4;
                // The service is announced in a section of its own.
                if announced && at < answer.len() && tips.is_empty() && head.is_none() {
                    announced = false;
                    continue;
                }
                break;
            }
            let line = answer.get(at + 4..at + length)?;
            at += length;
            let line = line.split(|byte| *byte == 0).next()?;
            let text = std::str::from_utf8(line).ok()?.trim_end_matches('\n');
            if text.starts_with("# service=git-") {
                announced = true;
                continue;
            }
            if text == "version 1" || text.starts_with("shallow ") {
                continue;
            }
            let mut words = text.split(' ');
            let (id, reference) = (Id::parse(words.next()?)?, words.next()?);
            match reference {
                "HEAD" => head = Some(id),
                name if name.starts_with("refs/heads/") && tips.len() < MOST => tips.push(id),
                _ => {}
            }
        }
        // A head that is no branch, as of a detached one, is not asked for here.
        if let Some(at) = head.and_then(|head| tips.iter().position(|tip| *tip == head)) {
            tips.swap(0, at);
        }
        Some(Self { tips })
    }
}

/// The length that four hexadecimal digits write; `None` for those that stand for something else.
fn length(digits: &[u8]) -> Option<usize> {
    let text =
        std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    let length = usize::from_str_radix(text, 16).ok()?;
    (length == 0 || length > 4).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "1111111111111111111111111111111111111111";
    const TWO: &str = "2222222222222222222222222222222222222222";
    const ZERO: &str = "0000000000000000000000000000000000000000";

    fn packets(lines: &[&str]) -> String {
        lines
            .iter()
            .map(
                |line| {
                    if line.is_empty() { "0000".to_owned() } else { format!("{:04x}{line}", line.len() + 4) }
                },
            )
            .collect()
    }

    fn tips(lines: &[&str]) -> Option<Vec<String>> {
        Heads::read(packets(lines).as_bytes()).map(|heads| heads.tips.iter().map(Id::to_string).collect())
    }

    #[test]
    fn branches_are_read_from_an_advertisement() {
        let first = format!("{ONE} refs/heads/a\0report-status agent=git/2\n");
        let other = format!("{TWO} refs/heads/main\n");
        let pull = format!("{TWO} refs/pull/1/head\n");
        let service = "# service=git-receive-pack\n";
        assert_eq!(tips(&[service, "", &first, &other, &pull, ""]).unwrap(), [ONE, TWO]);
        assert_eq!(tips(&["version 1\n", &first, ""]).unwrap(), [ONE]);
    }

    #[test]
    fn the_default_branch_comes_first() {
        let (head, a, main) = (
            format!("{TWO} HEAD symref-target:refs/heads/main\n"),
            format!("{ONE} refs/heads/a\n"),
            format!("{TWO} refs/heads/main\n"),
        );
        assert_eq!(tips(&[&head, &a, &main, ""]).unwrap(), [TWO, ONE]);
    }

    #[test]
    fn an_empty_repository_has_none() {
        let none = format!("{ZERO} capabilities^{{}}\0report-status\n");
        assert_eq!(tips(&["# service=git-receive-pack\n", "", &none, ""]), Some(vec![]));
        assert_eq!(tips(&["# service=git-receive-pack\n", "", ""]), Some(vec![]));
    }

    #[test]
    fn what_is_something_else_or_breaks_off_is_none() {
        let first = format!("{ONE} refs/heads/a\0report-status\n");
        let whole = packets(&["# service=git-receive-pack\n", "", &first, ""]);
        for end in 0..whole.len() {
            assert!(
                Heads::may_begin(&whole.as_bytes()[..end])
                    && Heads::may_begin(&packets(&[&first]).as_bytes()[..end.min(30)])
            );
            let cut = Heads::read(&whole.as_bytes()[..end]);
            // Where the announcement alone has come, nothing tells it from a repository without references.
            assert!(cut.is_none() || end == 35, "{end}: {cut:?}");
        }
        for other in
            [&packets(&["packfile\n"]), &packets(&["acknowledgments\n", ""]), "0008PACK", "<html><head>"]
        {
            assert!(!Heads::may_begin(other.as_bytes()), "{other}");
            assert_eq!(Heads::read(other.as_bytes()), None, "{other}");
        }
    }
}
