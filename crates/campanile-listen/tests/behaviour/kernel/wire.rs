//! A client that sends raw packets, with handshakes of arbitrary length.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::isolation::ip;

pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);

pub(crate) const SYN: u8 = 0x02;
pub(crate) const RST: u8 = 0x04;
pub(crate) const ACK: u8 = 0x10;

const HEADERS: usize = 40;
const TCP: u8 = 6;

/// Sends packets from an address that no host has, and captures the packets sent to it.
pub(crate) struct Wire {
    out: Socket,
    all: Socket,
    port: u16,
    captured: Vec<Segment>,
}

#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) to: u16,
    pub(crate) flags: u8,
    pub(crate) seq: u32,
    pub(crate) payload: Vec<u8>,
}

impl Wire {
    /// Creates a client of a server's port. Needs its own network namespace.
    pub(crate) fn new(port: u16) -> Self {
        const IP_PACKETS: i32 = 255;
        const EVERYTHING: u16 = 3;
        let out = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(IP_PACKETS))).unwrap();
        let everything = Protocol::from(i32::from(EVERYTHING.to_be()));
        let all = Socket::new(Domain::PACKET, Type::DGRAM, Some(everything)).unwrap();
        all.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        Self {
            out,
            all,
            port,
            captured: Vec::new(),
        }
    }

    /// Adds the server's address to the namespace, and a route to the client's.
    pub(crate) fn set_up() {
        ip(&format!("address add {SERVER}/32 dev lo"));
        ip(&format!("route add {CLIENT}/32 dev lo"));
    }

    pub(crate) fn send(&self, from: u16, flags: u8, seq: u32, ack: u32, payload: &[u8]) {
        let length = HEADERS + payload.len();
        let mut packet = vec![0; HEADERS];
        packet[0] = 0x45;
        packet[2..4].copy_from_slice(&(length as u16).to_be_bytes());
        packet[8] = 64;
        packet[9] = TCP;
        packet[12..16].copy_from_slice(&CLIENT.octets());
        packet[16..20].copy_from_slice(&SERVER.octets());
        packet[20..22].copy_from_slice(&from.to_be_bytes());
        packet[22..24].copy_from_slice(&self.port.to_be_bytes());
        packet[24..28].copy_from_slice(&seq.to_be_bytes());
        packet[28..32].copy_from_slice(&ack.to_be_bytes());
        packet[32] = 5 << 4;
        packet[33] = flags;
        packet[34..36].copy_from_slice(&u16::MAX.to_be_bytes());
        packet.extend_from_slice(payload);
        let sum = checksum(&packet);
        packet[36..38].copy_from_slice(&sum.to_be_bytes());
        let to = SockAddr::from(SocketAddrV4::new(SERVER, 0));
        self.out.send_to(&packet, &to).unwrap();
    }

    /// Waits for a segment to one of the client's ports. Segments stay captured.
    pub(crate) fn find(
        &mut self,
        to: u16,
        timeout: Duration,
        matches: impl Fn(&Segment) -> bool,
    ) -> Option<Segment> {
        let deadline = Instant::now() + timeout;
        loop {
            self.receive();
            let found = self
                .captured
                .iter()
                .find(|segment| segment.to == to && matches(segment));
            if found.is_some() || Instant::now() > deadline {
                return found.cloned();
            }
        }
    }

    /// Returns the segments sent to a port of the client.
    pub(crate) fn captured(&self, to: u16) -> Vec<&Segment> {
        self.captured.iter().filter(|segment| segment.to == to).collect()
    }

    /// Captures packets until none arrives for 5 ms.
    fn receive(&mut self) {
        let mut packet = [0; 2048];
        while let Ok(length) = (&self.all).read(&mut packet) {
            let packet = &packet[..length];
            if length < HEADERS || packet[9] != TCP || packet[16..20] != CLIENT.octets() {
                continue;
            }
            let word = |at: usize| u32::from_be_bytes(packet[at..at + 4].try_into().unwrap());
            let options = 20 + usize::from(packet[32] >> 4) * 4;
            self.captured.push(Segment {
                to: u16::from_be_bytes([packet[22], packet[23]]),
                flags: packet[33],
                seq: word(24),
                payload: packet.get(options..).unwrap_or_default().to_vec(),
            });
        }
    }
}

/// Computes the checksum of RFC 9293, section 3.1, over the pseudo header and the segment.
fn checksum(packet: &[u8]) -> u16 {
    let words = packet[12..].chunks(2);
    let words = words.map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let mut sum: u32 = words.sum::<u32>() + u32::from(TCP) + (packet.len() - 20) as u32;
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    !(sum as u16)
}
