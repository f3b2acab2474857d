//! Network interfaces, raw frames, and the way on which frames come back.

use crate::ctx::instance::{Instance, Place};
use crate::kit::clock::{MILLISECOND, SECOND, now, sleep_until};
use crate::kit::stop::{CallExt, Stop};
use crate::kit::text::{digits, has, path, plain, read_file, write_file};
use crate::row::{Need, Param, Shared, What, Work, doc};
use crate::sys::packet::{receive, receiver, send, sender};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use heapless::String;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::stat;
use rustix::io::Errno;

/// Bytes of a frame without a header of its own protocol.
pub const ETHER: usize = 14;
/// The longest frame.
pub const LONGEST: usize = 1514;

/// What all types on interfaces need.
pub const NEEDS: &[Need] = &[
    Need::required(What::Config(doc("CONFIG_PACKET"))),
    Need::required(What::Config(doc("CONFIG_VIRTIO_NET"))),
    Need::required(What::NetAdmin),
    Need::required(What::Nic),
];

/// Parameters of all types on interfaces but the first.
pub const FRAME: Param = Param::count(
    1,
    "frame_bytes",
    60,
    (60, LONGEST as u64),
    "bytes of a frame, the Ethernet header included",
);

/// See [`FRAME`].
pub const NIC: Param = Param::text(
    2,
    "nic",
    &"the name of an interface; the first with a device if absent",
    |text| text.len() < 16 && plain(text) && !has(text, "/"),
    "the interface that sends",
);

/// See [`FRAME`].
pub const ECHO: Param = Param::choice(
    3,
    "echo",
    &["auto", "self", "pair", "arp"],
    "how frames come back: from the interface itself, by a second one on \
     the same wire, as answers to ARP, or whichever works",
);

/// What an instance shares: its [`Way`], with the flags to restore, and the
/// names of what was found.
#[must_use]
pub fn shared(_: &Work<'_>, _: u32) -> Shared {
    Shared {
        cells: CELLS,
        named: 2,
        ..Shared::NONE
    }
}

const CELLS: u32 = 7;

/// How frames come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Echo {
    /// The machine around us reflects them.
    Itself,
    /// A second interface is on the same wire.
    Pair,
    /// Somebody answers requests for an address.
    Arp,
}

/// Between which interfaces frames go: how they come back, index and address
/// of the interface that sends, and of the one that receives.
#[derive(Debug, Clone, Copy)]
pub struct Way([u64; 5]);

#[derive(Debug, Clone, Copy)]
struct Nic {
    index: u64,
    mac: u64,
}

/// An interface that was found.
type Found = (String<16>, Nic);

impl Way {
    fn new(echo: Echo, from: Nic, to: Nic) -> Self {
        Self([echo as u64, from.index, from.mac, to.index, to.mac])
    }

    /// The way that `create` found.
    #[must_use]
    pub fn of(instance: &Instance<'_>) -> Self {
        let mut way = [0; 5];
        for (value, cell) in way.iter_mut().zip(instance.cells) {
            *value = cell.load(Relaxed);
        }
        Self(way)
    }

    fn keep(&self, cells: &[AtomicU64]) {
        for (cell, value) in cells.iter().zip(self.0) {
            cell.store(value, Relaxed);
        }
    }

    /// Whether frames are answers to ARP.
    #[must_use]
    pub fn is_arp(&self) -> bool {
        self.0[0] == Echo::Arp as u64
    }

    /// A socket that sends.
    ///
    /// # Errors
    ///
    /// See [`sender`].
    pub fn sender(&self) -> Result<OwnedFd, Stop> {
        opened(sender(self.0[1]))
    }

    /// A socket that receives what [`Frame::new`] of the same `id` makes come
    /// back, for no longer than `timeout_ms`; 0 is for ever.
    ///
    /// # Errors
    ///
    /// See [`receiver`].
    pub fn receiver(&self, id: u32, timeout_ms: u64) -> Result<OwnedFd, Stop> {
        let (protocol, word) = match self.is_arp() {
            // The address that an answer is for.
            true => (ARP, (38, OUR_IP + id)),
            false => (OURS, (14, id)),
        };
        opened(receiver(self.0[3], protocol, word, timeout_ms))
    }

    /// Whether a frame comes back within 200 ms.
    ///
    /// # Errors
    ///
    /// There is no socket to be had.
    pub fn answers(&self, id: u32) -> Result<bool, Stop> {
        let (receiver, sender) = (self.receiver(id, 10)?, self.sender()?);
        let frame = Frame::new(self, id, ETHER);
        let deadline = now() + SECOND / 5;
        while now() < deadline {
            // A device that is just coming up may refuse or lose some.
            let _lost = frame.send(&sender);
            if receive(receiver.as_fd(), &mut [0; 64]).is_ok() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// EtherType for local experiments.
const OURS: u16 = 0x88b5;
const ARP: u16 = 0x0806;
/// What a virtual machine's user-mode network calls its first guest, and its
/// gateway.
const OUR_IP: u32 = 0x0a00_020f;
const GATEWAY: u32 = 0x0a00_0202;

fn opened(socket: Result<OwnedFd, Errno>) -> Result<OwnedFd, Stop> {
    match socket {
        Err(Errno::AFNOSUPPORT) => Err(Stop::skip(&"NO_CONFIG:CONFIG_PACKET")),
        Err(Errno::ACCESS | Errno::PERM) => Err(Stop::skip(&"NO_CAP")),
        socket => socket.call(&"socket"),
    }
}

/// A frame to send again and again.
#[derive(Debug)]
pub struct Frame {
    bytes: [u8; LONGEST],
    len: usize,
    arp: bool,
}

impl Frame {
    /// One of `len` bytes, but at least 60; `id` tells those of one sender
    /// from all others.
    #[must_use]
    pub fn new(way: &Way, id: u32, len: usize) -> Self {
        let mut frame = Self {
            bytes: [0; LONGEST],
            len: len.clamp(60, LONGEST),
            arp: way.is_arp(),
        };
        let (to, kind) = match frame.arp {
            true => (u64::MAX >> 16, ARP),
            false => (way.0[4], OURS),
        };
        let own = way.0[2].to_be_bytes();
        let (_, own) = own.split_at(2);
        let (to, id) = (to.to_be_bytes(), id.to_be_bytes());
        frame.put(0, &to[2..]);
        frame.put(6, own);
        frame.put(12, &kind.to_be_bytes());
        match frame.arp {
            true => {
                // A request: Ethernet, IPv4, their lengths, request.
                frame.put(14, &[0, 1, 8, 0, 6, 4, 0, 1]);
                frame.put(22, own);
                let ip = OUR_IP + u32::from_be_bytes(id);
                frame.put(28, &ip.to_be_bytes());
                frame.put(38, &GATEWAY.to_be_bytes());
            }
            false => frame.put(14, &id),
        }
        frame
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        let place = self.bytes.get_mut(at..at + bytes.len());
        if let Some(place) = place {
            place.copy_from_slice(bytes);
        }
    }

    /// Puts number and time into it, where its protocol leaves room.
    pub fn stamp(&mut self, number: u64, time_ns: u64) {
        if !self.arp {
            self.put(18, &number.to_be_bytes());
            self.put(SENT, &time_ns.to_be_bytes());
        }
    }

    /// Sends it.
    ///
    /// # Errors
    ///
    /// See [`send`].
    pub fn send(&self, socket: &OwnedFd) -> Result<(), Errno> {
        send(socket.as_fd(), self.bytes.get(..self.len).unwrap_or(&[]))
    }
}

/// Where a frame has the time it was sent.
const SENT: usize = 26;

/// The time that [`Frame::stamp`] put into a received frame.
#[must_use]
pub fn sent_ns(frame: &[u8]) -> u64 {
    let bytes = frame.get(SENT..SENT + 8);
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .map_or(0, u64::from_be_bytes)
}

fn net(name: &str, file: &str) -> String<96> {
    path(format_args!("/sys/class/net/{name}/{file}"))
}

fn look(name: &str) -> Option<Nic> {
    let mut buf = [0; 64];
    let index =
        digits(read_file(&net(name, "ifindex"), &mut buf)?.trim_ascii())?;
    let mac = hex(read_file(&net(name, "address"), &mut buf)?);
    Some(Nic { index, mac })
}

/// The number that all hexadecimal digits of a text are: `52:54:0a`,
/// `0x1003`.
fn hex(text: &str) -> u64 {
    let mut number = 0;
    for byte in text.bytes() {
        number = match byte | 0x20 {
            _ if byte.is_ascii_digit() => number << 4 | u64::from(byte - b'0'),
            letter @ b'a'..=b'f' => number << 4 | u64::from(letter - b'a' + 10),
            _ => number,
        };
    }
    number
}

/// The first interface with a device, other than the one of that index.
fn first(other_than: u64) -> Option<Found> {
    let mut buf = [0; 4096];
    let mut best: Option<Found> = None;
    for line in read_file("/proc/net/dev", &mut buf)?.lines() {
        let Some((name, _)) = line.split_once(':') else {
            continue;
        };
        let name = name.trim_ascii();
        let (Ok(_), Some(nic)) = (stat(&*net(name, "device")), look(name))
        else {
            continue;
        };
        let before = best.as_ref().is_none_or(|(_, it)| nic.index < it.index);
        if before && nic.index != other_than {
            best = Some((String::try_from(name).ok()?, nic));
        }
    }
    best
}

/// The interface of a plan.
fn find(work: &Work<'_>) -> Option<Found> {
    match work.text(&NIC) {
        "" => first(0),
        name => Some((String::try_from(name).ok()?, look(name)?)),
    }
}

/// Whether there is the interface of a plan.
#[must_use]
pub fn is_there(work: &Work<'_>) -> bool {
    find(work).is_some()
}

/// Tells the frames of an instance from those of all others.
#[must_use]
pub fn id(group: u16, number: u32) -> u32 {
    u32::from(group) << 16 | number
}

/// Finds the interfaces, brings them up, and sees how frames come back.
///
/// # Errors
///
/// `NO_ECHO` if they do not.
pub fn create(instance: &Instance<'_>, place: &Place<'_>) -> Result<(), Stop> {
    if place.number > 0 {
        Way::of(&place.lead).keep(instance.cells);
        return Ok(());
    }
    let work = place.work;
    let [.., own_flags, other_flags] = instance.cells else {
        return Ok(());
    };
    let (name, from) = find(work).ok_or(Stop::skip(&"NO_NIC"))?;
    let other = first(from.index);
    let asked = work.choice(&ECHO);
    up(&name, own_flags);
    for (echo, at) in [Echo::Itself, Echo::Pair, Echo::Arp].iter().zip(1..) {
        let to = match (echo, &other) {
            (Echo::Pair, Some((name, nic))) if asked == 0 || asked == at => {
                up(name, other_flags);
                *nic
            }
            (Echo::Pair, _) => continue,
            _ => from,
        };
        let way = Way::new(*echo, from, to);
        if (asked == 0 || asked == at) && way.answers(id(place.group, 0))? {
            way.keep(instance.cells);
            let echo = ["self", "pair", "arp"].get(at - 1).unwrap_or(&"");
            let found = [("nic", name.as_str()), ("echo", *echo)];
            for (named, (key, value)) in instance.named.iter().zip(found) {
                named.set(&path(format_args!("{key}_{value}")), 1);
            }
            return Ok(());
        }
    }
    Err(Stop::skip(&"NO_ECHO"))
}

/// Gives the interfaces the flags they had.
pub fn destroy(instance: &Instance<'_>, place: &Place<'_>) {
    if place.number > 0 {
        return;
    }
    let found = find(place.work);
    let other = found.as_ref().and_then(|(_, nic)| first(nic.index));
    // Flags, plus one, are behind the way; 0 if they were not changed.
    for (cell, nic) in instance.cells.iter().skip(5).zip([found, other]) {
        let flags = cell.swap(0, Relaxed);
        if let (Some((name, _)), Some(flags)) = (nic, flags.checked_sub(1)) {
            write_flags(&name, flags);
        }
    }
}

/// Brings an interface up and waits until it has a carrier, for a second at
/// most. Keeps in `cell` what is to be restored.
fn up(name: &str, cell: &AtomicU64) {
    const IFF_UP: u64 = 1;
    let mut buf = [0; 32];
    let Some(flags) = read_file(&net(name, "flags"), &mut buf).map(hex) else {
        return;
    };
    if flags & IFF_UP == 0 {
        cell.store(flags + 1, Relaxed);
        write_flags(name, flags | IFF_UP);
    }
    let deadline = now() + SECOND;
    let down = |text: &str| text.trim_ascii() == "down";
    while now() < deadline
        && read_file(&net(name, "operstate"), &mut buf).is_some_and(down)
    {
        // Woken early it only looks early.
        let _early = sleep_until(now() + MILLISECOND);
    }
}

fn write_flags(name: &str, flags: u64) {
    // An interface that stays down gives no echo.
    let text = path(format_args!("{flags:#x}"));
    let _refused = write_file(&net(name, "flags"), &text);
}

#[cfg(test)]
mod tests {
    use super::{Echo, Frame, Nic, Way, hex, sent_ns};

    #[test]
    fn hexadecimal_texts_of_sysfs() {
        assert_eq!(hex("52:54:00:0a:00:ff\n"), 0x5254_000a_00ff);
        assert_eq!(hex("0x1003\n"), 0x1003);
    }

    fn way(echo: Echo) -> Way {
        let nic = |index, mac| Nic { index, mac };
        Way::new(echo, nic(2, 0x5254_0000_0001), nic(3, 0x5254_0000_0002))
    }

    #[test]
    fn frames_of_our_own() {
        let mut frame = Frame::new(&way(Echo::Pair), 0x0102_0304, 10);
        frame.stamp(7, 99);
        let bytes = &frame.bytes[..frame.len];
        assert_eq!(bytes.len(), 60);
        assert_eq!(bytes[..6], [0x52, 0x54, 0, 0, 0, 2]);
        assert_eq!(bytes[6..12], [0x52, 0x54, 0, 0, 0, 1]);
        assert_eq!(bytes[12..18], [0x88, 0xb5, 1, 2, 3, 4]);
        assert_eq!(sent_ns(bytes), 99);
        assert_eq!(sent_ns(&bytes[..30]), 0);
    }

    #[test]
    fn requests_for_an_address() {
        let mut frame = Frame::new(&way(Echo::Arp), 1, 60);
        frame.stamp(7, 99);
        let bytes = &frame.bytes[..frame.len];
        assert_eq!(bytes[..6], [255; 6]);
        assert_eq!(bytes[12..22], [8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
        assert_eq!(bytes[22..28], [0x52, 0x54, 0, 0, 0, 1]);
        assert_eq!(bytes[28..32], [10, 0, 2, 16]);
        assert_eq!(bytes[32..42], [0, 0, 0, 0, 0, 0, 10, 0, 2, 2]);
    }
}
