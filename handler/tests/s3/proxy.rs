//! A proxy between one process and S3 that lets things go wrong, and remembers every request.

use std::fmt;
use std::io::{Error, ErrorKind, Result};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::faults::{DELAY, Fault, Turn};
use crate::wire::{Connection, Message};

/// What is to go wrong.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Plan {
    /// Nothing.
    Calm,
    /// The n-th request of a kind, counted from 1, meets the n-th of the turns that suit it, counted round.
    At { kind: Kind, number: usize, turns: &'static [Turn], turn: usize },
    /// One request in so many, chosen by the seed, meets one of the turns that suit it.
    Random { one_in: u64, turns: &'static [Turn], seed: u64 },
    /// Every request of a kind that a fault suits meets it.
    Always { kind: Kind, fault: Fault },
}

/// Which requests.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// All.
    Any,
    /// Those that write.
    Write,
    /// Those whose path has this in it.
    Of(&'static str),
}

/// A request that came by.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) fault: Option<Fault>,
    /// What the client was told, 0 for nothing.
    pub(crate) status: u16,
    /// Whether a body came with a checksum.
    pub(crate) is_checked: bool,
}

/// The proxy of one process.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    server: u16,
    plan: Plan,
    seen: Mutex<Vec<Seen>>,
    /// What every further request for the same thing meets.
    lasting: Mutex<Option<(String, Fault)>>,
    process: Mutex<Option<Child>>,
    is_asleep: AtomicBool,
    is_over: AtomicBool,
}

impl Proxy {
    /// Listens, in front of the server on a port.
    pub(crate) fn start(server: u16, plan: Plan) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
        let port = listener.local_addr().expect("it has an address").port();
        let shared = Arc::new(Shared {
            server,
            plan,
            seen: Mutex::default(),
            lasting: Mutex::default(),
            process: Mutex::default(),
            is_asleep: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if accepting.is_over.load(Ordering::SeqCst) {
                    return;
                }
                let (shared, stream) = (Arc::clone(&accepting), stream.expect("a connection comes"));
                std::thread::spawn(move || shared.serve(stream).ok());
            }
        });
        Self { port, shared }
    }

    /// The process whose requests come by, which can be killed.
    pub(crate) fn watch(&self, process: Child) {
        *locked(&self.shared.process) = Some(process);
    }

    /// Waits until the process ends; its exit code, `None` when it was killed.
    pub(crate) fn wait(&self) -> Option<i32> {
        loop {
            let status = locked(&self.shared.process).as_mut().map(|process| process.try_wait().expect("a child ends"));
            match status {
                Some(Some(status)) => return status.code(),
                Some(None) => std::thread::sleep(Duration::from_millis(4)),
                None => return None,
            }
        }
    }

    /// Waits until the process falls asleep; whether it did before it ended.
    pub(crate) fn falls_asleep(&self) -> bool {
        while !self.shared.is_asleep.load(Ordering::SeqCst) {
            let ended = locked(&self.shared.process)
                .as_mut()
                .is_none_or(|process| process.try_wait().is_ok_and(|end| end.is_some()));
            if ended {
                return false;
            }
            std::thread::sleep(Duration::from_millis(4));
        }
        true
    }

    /// Wakes the process, and lets its request go on.
    pub(crate) fn wake(&self) {
        self.shared.signal("-CONT");
        self.shared.is_asleep.store(false, Ordering::SeqCst);
    }

    /// The requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        locked(&self.shared.seen).clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        TcpStream::connect(("127.0.0.1", self.port)).ok();
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) -> Result<()> {
        let mut client = Connection::of(stream)?;
        let mut server = None;
        while let Some(request) = client.request()? {
            let (place, fault) = self.note(&request);
            let status = self.pass((&mut client, &mut server), &request, fault);
            if let Some(seen) = locked(&self.seen).get_mut(place) {
                seen.status = *status.as_ref().unwrap_or(&0);
            }
            status?;
        }
        Ok(())
    }

    /// Remembers a request; its place, and what it meets.
    fn note(&self, request: &Message) -> (usize, Option<Fault>) {
        let mut seen = locked(&self.seen);
        let fault = self.lasting_for(request).or_else(|| self.planned(&seen, request));
        let is_checked = request.headers.iter().any(|(name, value)| {
            let (name, value) = (name.to_lowercase(), value.to_lowercase());
            name.starts_with("x-amz-checksum-")
                || name == "content-md5"
                || (name == "x-amz-trailer" && value.contains("checksum"))
        });
        seen.push(Seen {
            method: request.method().to_owned(),
            path: request.path().to_owned(),
            fault,
            status: 0,
            is_checked: is_checked || request.body.is_empty(),
        });
        (seen.len() - 1, fault)
    }

    fn lasting_for(&self, request: &Message) -> Option<Fault> {
        locked(&self.lasting).as_ref().filter(|(same, _)| *same == name_of(request)).map(|(_, fault)| *fault)
    }

    fn planned(&self, seen: &[Seen], request: &Message) -> Option<Fault> {
        let (turns, turn) = match self.plan {
            Plan::At { kind, number, turns, turn } if kind.has(request.method(), request.path()) => {
                let earlier = seen.iter().filter(|seen| kind.has(&seen.method, &seen.path)).count();
                (earlier + 1 == number).then_some((turns, turn))?
            }
            Plan::Random { one_in, turns, seed } => {
                let chance = mixed(seed.wrapping_add(seen.len() as u64));
                let turn = usize::try_from(chance >> 40).unwrap_or_default();
                chance.is_multiple_of(one_in).then_some((turns, turn))?
            }
            Plan::Always { kind, fault } if kind.has(request.method(), request.path()) => {
                return fault.suits(request).then_some(fault);
            }
            _ => return None,
        };
        let suited: Vec<&Turn> = turns.iter().filter(|(fault, _)| fault.suits(request)).collect();
        let (fault, lasts) = **suited.get(turn % suited.len().max(1))?;
        if lasts {
            *locked(&self.lasting) = Some((name_of(request), fault));
        }
        Some(fault)
    }

    /// Handles a request; the status that the client is told.
    fn pass(
        &self,
        (client, server): (&mut Connection, &mut Option<(Connection, Instant)>),
        request: &Message,
        fault: Option<Fault>,
    ) -> Result<u16> {
        match fault {
            Some(Fault::Before(status, code)) => {
                let answer = Message::error((status, code), request.method());
                client.send(&answer, answer.body.len())?;
                return Ok(status);
            }
            Some(Fault::Reset) => return reset(client),
            Some(Fault::KilledBefore) => return self.kill(),
            Some(Fault::Delayed) => std::thread::sleep(DELAY),
            Some(Fault::Silent) => return self.say_nothing(),
            Some(Fault::AsleepBefore) => self.sleep(),
            _ => {}
        }
        let mut answer = self.forward(server, request)?;
        let mut count = answer.body.len();
        match fault {
            Some(Fault::After(status, code)) => {
                answer = Message::error((status, code), request.method());
                count = answer.body.len();
            }
            Some(Fault::Lost) => return reset(client),
            Some(Fault::KilledAfter) => return self.kill(),
            Some(Fault::AsleepAfter) => self.sleep(),
            Some(Fault::Corrupted) if answer.status() < 300 && count > 0 => answer.body[count / 2] ^= 1,
            Some(Fault::Truncated) => count /= 2,
            _ => {}
        }
        client.send(&answer, count)?;
        if count < answer.body.len() {
            client.stream().shutdown(Shutdown::Both)?;
        }
        Ok(answer.status())
    }

    /// Asks the server, over the connection of before if it is young: an old one may just be closing.
    fn forward(&self, server: &mut Option<(Connection, Instant)>, request: &Message) -> Result<Message> {
        let young = |(_, used): &(Connection, Instant)| used.elapsed() < Duration::from_secs(1);
        let mut connection = match server.take().filter(young) {
            Some((connection, _)) => connection,
            None => Connection::open(self.server)?,
        };
        let answer = connection.ask(&request.clone().measured())?;
        let closes = answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        *server = (!closes).then(|| (connection, Instant::now()));
        let is_head = request.method() == "HEAD" || answer.status() == 204;
        Ok(if is_head { answer } else { answer.measured() })
    }

    /// Leaves the client waiting until all is over.
    fn say_nothing(&self) -> Result<u16> {
        while !self.is_over.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(Error::from(ErrorKind::ConnectionAborted))
    }

    /// Stops the process and waits until it is woken.
    fn sleep(&self) {
        self.signal("-STOP");
        self.is_asleep.store(true, Ordering::SeqCst);
        while self.is_asleep.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn signal(&self, signal: &str) {
        let id = locked(&self.process).as_ref().map(|process| process.id().to_string());
        let sent = Command::new("kill").arg(signal).args(id).status().expect("kill starts");
        assert!(sent.success(), "kill {signal}: {sent}");
    }

    fn kill(&self) -> Result<u16> {
        if let Some(process) = locked(&self.process).as_mut() {
            process.kill()?;
        }
        Err(Error::from(ErrorKind::ConnectionAborted))
    }
}

impl Kind {
    fn has(self, method: &str, path: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Write => matches!(method, "PUT" | "POST" | "DELETE"),
            Self::Of(part) => path.contains(part),
        }
    }
}

fn reset(client: &Connection) -> Result<u16> {
    socket2::SockRef::from(client.stream()).set_linger(Some(Duration::ZERO))?;
    Err(Error::from(ErrorKind::ConnectionReset))
}

/// What a request is for, without what differs from one try to the next.
fn name_of(request: &Message) -> String {
    format!("{} {}", request.method(), request.path())
}

/// `splitmix64`.
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Display for Seen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {} -> {}", self.method, self.path, self.status)?;
        self.fault.iter().try_for_each(|fault| write!(formatter, "   <<< {fault:?}"))
    }
}
