//! Control sequences written in their one canonical form: seven bits, numbers without leading zeros, strings ended by ST.

/// Escape.
pub(super) const ESC: u8 = 0x1b;

/// Numbers above this mean nothing on a screen, and terminals differ in what they make of them.
const LARGEST: u16 = 9999;

/// `ESC [`, a marker such as `?` (or nothing), parameters, intermediate bytes and final byte. A single zero is left out.
pub(super) fn csi(out: &mut Vec<u8>, marker: &[u8], params: &[u16], ends: &[u8]) {
    csi_in_full(out, marker, if params == [0] { &[] } else { params }, ends);
}

/// The same with every number written.
pub(super) fn csi_in_full(out: &mut Vec<u8>, marker: &[u8], params: &[u16], ends: &[u8]) {
    out.extend_from_slice(b"\x1b[");
    out.extend_from_slice(marker);
    for (index, value) in params.iter().enumerate() {
        if index > 0 {
            out.push(b';');
        }
        number(out, (*value).min(LARGEST));
    }
    out.extend_from_slice(ends);
}

/// Sets or resets a private mode.
pub(super) fn private_mode(out: &mut Vec<u8>, mode: u16, set: bool) {
    csi(out, b"?", &[mode], if set { b"h" } else { b"l" });
}

/// `ESC ]`, the text, ST. The text must hold no control characters.
pub(super) fn osc(out: &mut Vec<u8>, parts: &[&[u8]]) {
    out.extend_from_slice(b"\x1b]");
    for part in parts {
        out.extend_from_slice(part);
    }
    out.extend_from_slice(b"\x1b\\");
}

/// A number in decimal.
pub(super) fn number(out: &mut Vec<u8>, value: u16) {
    let mut digits = [0; 5];
    let (mut at, mut left) = (digits.len(), value);
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}
