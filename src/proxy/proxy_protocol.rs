//! The PROXY protocol, versions 1 and 2: a proxy that passes bytes on says before the first of them for whom.
//!
//! Read to the byte, since what follows is TLS or HTTP already. Whoever may speak it has to; what is no such header
//! ends the connection. The text is that of HAProxy, `proxy-protocol.txt`.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// `PROXY UNKNOWN\r\n`, which is the shortest of version 1 and shorter than the fixed part of version 2.
const SHORTEST: usize = 15;
/// The longest line of version 1, its end included.
const LONGEST_LINE: usize = 107;
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
const FIXED_BYTES: usize = 16;
/// The addresses of version 2 and what else stands there: more than any proxy writes.
const MOST_BYTES: usize = 4_096;

/// For whom the other end speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// For itself, as a health check does, or for one that it can't name.
    Itself,
    /// For the client at this address.
    Client(SocketAddr),
}

/// Why there is no header: it broke off, or is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum HeaderError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("no header of the PROXY protocol")]
    Malformed,
}

/// Reads the header, and not a byte more.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Source, HeaderError> {
    let mut header = vec![0; SHORTEST];
    stream.read_exact(&mut header).await?;
    if header.starts_with(SIGNATURE) {
        header.push(stream.read_u8().await?);
        let length = version_2_length(&header).ok_or(HeaderError::Malformed)?;
        let mut rest = vec![0; length];
        stream.read_exact(&mut rest).await?;
        return version_2(&header, &rest).ok_or(HeaderError::Malformed);
    }
    if !header.starts_with(b"PROXY ") {
        return Err(HeaderError::Malformed);
    }
    while !header.ends_with(b"\r\n") {
        if header.len() == LONGEST_LINE {
            return Err(HeaderError::Malformed);
        }
        header.push(stream.read_u8().await?);
    }
    version_1(&header).ok_or(HeaderError::Malformed)
}

/// `PROXY TCP4 192.0.2.7 198.51.100.1 56324 443`
fn version_1(line: &[u8]) -> Option<Source> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix("\r\n")?;
    let mut words = line.strip_prefix("PROXY ")?.split(' ');
    let family = words.next()?;
    if family == "UNKNOWN" {
        // What stands behind it is to be ignored.
        return Some(Source::Itself);
    }
    let (source, target) = (words.next()?, words.next()?);
    let (source, target): (IpAddr, IpAddr) = match family {
        "TCP4" => {
            (source.parse::<Ipv4Addr>().ok()?.into(), target.parse::<Ipv4Addr>().ok()?.into())
        }
        "TCP6" => {
            (source.parse::<Ipv6Addr>().ok()?.into(), target.parse::<Ipv6Addr>().ok()?.into())
        }
        _ => return None,
    };
    let (source_port, target_port) = (port(words.next()?)?, port(words.next()?)?);
    let _ = (target, target_port);
    words.next().is_none().then_some(Source::Client(SocketAddr::new(source, source_port)))
}

/// Digits, without a sign or a leading zero.
fn port(text: &str) -> Option<u16> {
    let plain =
        text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    plain.then(|| text.parse().ok()).flatten()
}

/// The bytes after the fixed part.
fn version_2_length(fixed: &[u8]) -> Option<usize> {
    let length = u16::from_be_bytes(fixed.get(FIXED_BYTES - 2..)?.try_into().ok()?);
    Some(usize::from(length)).filter(|length| *length <= MOST_BYTES)
}

fn version_2(fixed: &[u8], rest: &[u8]) -> Option<Source> {
    let [version_and_command, family_and_protocol] = *fixed.get(12..14)? else { return None };
    match version_and_command {
        // LOCAL: the rest is to be ignored.
        0x20 => return Some(Source::Itself),
        0x21 => {}
        _ => return None,
    }
    match family_and_protocol {
        // Unspecified, and Unix sockets: nothing that could be said of them.
        0x00 | 0x31 => Some(Source::Itself),
        // TCP over IPv4: both addresses, both ports.
        0x11 => {
            let address: [u8; 4] = rest.get(..4)?.try_into().ok()?;
            let port: [u8; 2] = rest.get(8..12)?.get(..2)?.try_into().ok()?;
            Some(Source::Client((Ipv4Addr::from(address), u16::from_be_bytes(port)).into()))
        }
        // TCP over IPv6.
        0x21 => {
            let address: [u8; 16] = rest.get(..16)?.try_into().ok()?;
            let port: [u8; 2] = rest.get(32..36)?.get(..2)?.try_into().ok()?;
            Some(Source::Client((Ipv6Addr::from(address), u16::from_be_bytes(port)).into()))
        }
        // Datagrams don't come over connections.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read of these bytes, and what is left behind it.
    fn read_all(bytes: &[u8]) -> (Option<Source>, Vec<u8>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut stream = bytes;
        let source = runtime.block_on(read(&mut stream)).ok();
        (source, stream.to_vec())
    }

    fn client(address: &str) -> Option<Source> {
        Some(Source::Client(address.parse().unwrap()))
    }

    fn version_2_header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, rest].concat()
    }

    #[test]
    fn version_1_is_read_to_its_end() {
        for (line, expected) in [
            ("PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n", client("192.0.2.7:56324")),
            ("PROXY TCP6 2001:db8::7 ::1 56324 443\r\n", client("[2001:db8::7]:56324")),
            ("PROXY UNKNOWN\r\n", Some(Source::Itself)),
            ("PROXY UNKNOWN ffff::ffff ffff::ffff 65535 65535\r\n", Some(Source::Itself)),
        ] {
            let bytes = format!("{line}GET / HTTP/1.1\r\n");
            assert_eq!(
                read_all(bytes.as_bytes()),
                (expected, b"GET / HTTP/1.1\r\n".to_vec()),
                "{line}"
            );
        }
        for line in [
            "PROXY TCP4 192.0.2.7 198.51.100.1 56324\r\n",
            "PROXY TCP4 192.0.2.7 198.51.100.1 56324 443 1\r\n",
            "PROXY TCP4 192.0.2.7  198.51.100.1 56324 443\r\n",
            "PROXY TCP4 192.0.2.07 198.51.100.1 56324 443\r\n",
            "PROXY TCP4 ::1 ::1 56324 443\r\n",
            "PROXY TCP6 1.2.3.4 1.2.3.4 1 1\r\n",
            "PROXY TCP4 192.0.2.7 198.51.100.1 65536 443\r\n",
            "PROXY TCP4 192.0.2.7 198.51.100.1 +1 443\r\n",
            "PROXY TCP4 192.0.2.7 198.51.100.1 01 443\r\n",
            "PROXY UDP4 192.0.2.7 198.51.100.1 1 443\r\n",
            "proxy TCP4 192.0.2.7 198.51.100.1 1 443\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "PROXY TCP4 192.0.2.7",
        ] {
            assert_eq!(read_all(line.as_bytes()).0, None, "{line}");
        }
        let endless = format!("PROXY UNKNOWN {}", "x".repeat(200));
        let (source, rest) = read_all(endless.as_bytes());
        assert_eq!((source, rest.len()), (None, endless.len() - LONGEST_LINE));
    }

    #[test]
    fn version_2_is_read_to_its_end() {
        let four = [&[192, 0, 2, 7, 10, 0, 0, 1][..], &[0xdc, 0x04, 1, 187]].concat();
        let mut six = [0; 36];
        six[..2].copy_from_slice(&[0x20, 0x01]);
        six[15] = 7;
        six[32..34].copy_from_slice(&[0xdc, 0x04]);
        let with_more = [&four[..], &[3, 0, 4, 1, 2, 3, 4]].concat();
        for (header, expected) in [
            (version_2_header(0x21, 0x11, &four), client("192.0.2.7:56324")),
            (version_2_header(0x21, 0x11, &with_more), client("192.0.2.7:56324")),
            (version_2_header(0x21, 0x21, &six), client("[2001::7]:56324")),
            (version_2_header(0x20, 0x00, &[]), Some(Source::Itself)),
            (version_2_header(0x20, 0x11, &four), Some(Source::Itself)),
            (version_2_header(0x21, 0x31, &[0; 216]), Some(Source::Itself)),
        ] {
            let bytes = [&header[..], b"\x16\x03\x01"].concat();
            assert_eq!(read_all(&bytes), (expected, b"\x16\x03\x01".to_vec()), "{header:?}");
        }
        for header in [
            version_2_header(0x21, 0x11, &four[..11]),
            version_2_header(0x21, 0x21, &six[..35]),
            version_2_header(0x21, 0x12, &four),
            version_2_header(0x22, 0x11, &four),
            version_2_header(0x11, 0x11, &four),
            version_2_header(0x20, 0, &[0; MOST_BYTES + 1]),
        ] {
            assert_eq!(read_all(&header).0, None, "{header:?}");
            assert_eq!(read_all(&header[..header.len() - 1]).0, None, "broken off");
        }
    }
}
