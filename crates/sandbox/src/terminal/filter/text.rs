//! Text of the program's that ends up outside the screen: titles, notifications, the addresses of links.

/// Characters of a title or notification.
const LONGEST_TEXT: usize = 256;
/// Bytes of an address. Longer ones lose their link; the words of the link stay.
const LONGEST_ADDRESS: usize = 2048;
/// Bytes of a link's id, which says which cells belong together.
const LONGEST_ID: usize = 64;

/// A text that shows what it says: no controls, nothing invisible, nothing that changes direction.
pub(super) fn plain(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?;
    Some(text.chars().filter(|c| !is_obeyed(*c)).take(LONGEST_TEXT).collect())
}

/// Whether a character acts on what stands around it instead of being seen.
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A notification. A leading digit selects other commands in some terminals (ConEmu runs macros and programs that way).
pub(super) fn notification(text: &[u8]) -> Option<String> {
    plain(text).filter(|text| !text.is_empty() && !text.starts_with(|c: char| c.is_ascii_digit()))
}

/// The address of a link to the web; none for everything else, such as a file or a program's own scheme.
pub(super) fn web_address(address: &[u8]) -> Option<&[u8]> {
    let (scheme, _) = address.split_at_checked(address.iter().position(|byte| *byte == b':')? + 3)?;
    let web = scheme.eq_ignore_ascii_case(b"https://") || scheme.eq_ignore_ascii_case(b"http://");
    let plain = address.len() <= LONGEST_ADDRESS && address.iter().all(u8::is_ascii_graphic);
    (web && plain).then_some(address)
}

/// The `id` among a link's parameters, `key=value` separated by colons.
pub(super) fn link_id(parameters: &[u8]) -> Option<&[u8]> {
    let id = parameters.split(|byte| *byte == b':').find_map(|one| one.strip_prefix(b"id="))?;
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (!id.is_empty() && id.len() <= LONGEST_ID && id.iter().all(plain)).then_some(id)
}
