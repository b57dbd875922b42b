//! An emulated Raspberry Pi 3: its console, its pins seen from outside, a scanner on its USB port.
//! Invariant: it ends with its handle; nobody waits without a bound.
//! Not here: what the box should do (`main`).
use std::{
    fs::{self, File},
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

const BOOTS_WITHIN: Duration = Duration::from_secs(120);
const ANSWERS_WITHIN: Duration = Duration::from_secs(60);
/// The processor's registers from GPFSEL0 to GPLEV0, at the address where a Pi 3 has them (BCM2835 ARM peripherals,
/// section 6.1): what ten pins each are for, three bits a pin, and 13 words later the levels of pins 0 to 31.
const REGISTERS: &str = "xp /14xw 0x3f200000";
const LEVELS: usize = 13;
const OUTPUT: u32 = 0b001;
/// Between two keys of the scanner: the emulated keyboard keeps 16 changes, and is asked for one about every 8 ms.
const KEY_PAUSE: Duration = Duration::from_millis(60);

/// A running machine.
pub(crate) struct Machine {
    qemu: Child,
    console: UnixStream,
    monitor: UnixStream,
    uart: Option<UnixStream>,
    said: String,
    commands: u32,
}

/// The registers of one moment.
struct Pins([u32; LEVELS + 1]);

impl Pins {
    /// An output, and high. A released pin drives nothing, whatever level is left on it.
    fn is_driven(&self, pin: u8) -> bool {
        let function = self.0[usize::from(pin / 10)] >> (3 * (pin % 10)) & 0b111;
        function == OUTPUT && self.0[LEVELS] >> pin & 1 == 1
    }
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is text")
}

/// Waits until the socket of the machine is there.
fn connect(path: &Path) -> Result<UnixStream> {
    let end = Instant::now() + ANSWERS_WITHIN;
    loop {
        match UnixStream::connect(path) {
            Ok(stream) => {
                stream.set_read_timeout(Some(Duration::from_millis(50)))?;
                return Ok(stream);
            }
            Err(error) if Instant::now() >= end => return Err(error).context("the machine's socket"),
            Err(_) => thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// An archive with these folders, for the kernel to unpack over its root.
fn archive(root: &Path, to: &Path) -> Result<()> {
    let packed = "find . | cpio -o -H newc --quiet | gzip -1";
    let status = Command::new("sh").args(["-c", packed]).current_dir(root).stdout(File::create(to)?).status()?;
    ensure!(status.success(), "cpio ended with {status}");
    Ok(())
}

impl Machine {
    /// Boots what `tests/pi` put together in `made`, with the files under `root` laid over its root; `work` takes its
    /// sockets.
    pub(crate) fn boot(made: &Path, root: &Path, work: &Path) -> Result<Self> {
        let (own, initrd) = (work.join("own.cpio.gz"), work.join("initrd.gz"));
        archive(root, &own)?;
        let mut whole = fs::read(made.join("root.cpio.gz")).context("run tests/pi: it makes the machine's root")?;
        whole.extend(fs::read(&own)?);
        fs::write(&initrd, whole)?;
        let socket = |name: &str| -> Result<(PathBuf, String)> {
            let path = work.join(name);
            let chardev = format!("unix:{},server=on,wait=off", text(&path)?);
            Ok((path, chardev))
        };
        let ((uart, on_uart), (console, on_console), (monitor, on_monitor)) =
            (socket("uart")?, socket("console")?, socket("monitor")?);
        let (kernel, tree) = (made.join("kernel"), made.join("pi.dtb"));
        let mut command = Command::new("qemu-system-aarch64");
        command.args(["-M", "raspi3b", "-smp", "4", "-m", "1G", "-display", "none", "-no-reboot"]);
        command.args(["-serial", &on_uart, "-serial", &on_console, "-monitor", &on_monitor, "-device", "usb-kbd"]);
        command.args(["-kernel", text(&kernel)?, "-dtb", text(&tree)?, "-initrd", text(&initrd)?]);
        command.args(["-append", "console=ttyS1,115200 iomem=relaxed panic=-1 quiet rdinit=/init"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(work.join("qemu.log"))?);
        let mut qemu = command.spawn().context("qemu-system-aarch64")?;
        let lines = connect(&console).and_then(|console| Ok((console, connect(&monitor)?, connect(&uart)?)));
        let (console, monitor, uart) = match lines {
            Ok(lines) => lines,
            Err(error) => {
                let _ = qemu.kill().and_then(|()| qemu.wait());
                return Err(error);
            }
        };
        let mut machine = Self { qemu, console, monitor, uart: Some(uart), said: String::new(), commands: 0 };
        machine.wait_for("BOOTED", BOOTS_WITHIN)?;
        Ok(machine)
    }

    /// Waits until the console has said this since the last command.
    fn wait_for(&mut self, mark: &str, within: Duration) -> Result<()> {
        let end = Instant::now() + within;
        let mut piece = [0; 4096];
        while !self.said.contains(mark) {
            ensure!(Instant::now() < end, "the machine does not say {mark:?}; it said: {}", self.said);
            ensure!(self.qemu.try_wait()?.is_none(), "the machine ended; it said: {}", self.said);
            match self.console.read(&mut piece) {
                Ok(length) => self.said.push_str(&String::from_utf8_lossy(&piece[..length])),
                Err(error) if is_not_yet(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// The other end of the UART on pins 14 and 15, once.
    pub(crate) fn take_uart(&mut self) -> Result<UnixStream> {
        self.uart.take().context("the UART was taken before")
    }

    /// Runs a command in the machine's shell and gives what it printed.
    pub(crate) fn run(&mut self, command: &str) -> Result<String> {
        self.commands += 1;
        self.said.clear();
        let (begin, end) = (format!("<{}<", self.commands), format!(">{}>", self.commands));
        // the marks are put together by the shell, so that an echo of the command is not taken for its output
        let line = format!("echo '<''{0}<'; {command}; echo '>''{0}>'\n", self.commands);
        self.console.write_all(line.as_bytes())?;
        self.wait_for(&end, ANSWERS_WITHIN)?;
        let output = self.said.split(&begin).nth(1).and_then(|rest| rest.split(&end).next());
        Ok(output.unwrap_or_default().replace('\r', "").trim().to_owned())
    }

    /// Runs a command again and again until it succeeds.
    pub(crate) fn run_until(&mut self, command: &str, within: Duration) -> Result<()> {
        let end = Instant::now() + within;
        while self.run(&format!("({command}) >/dev/null 2>&1 && echo yes || echo no"))? != "yes" {
            if Instant::now() >= end {
                bail!("not in time: {command}; the box said: {}", self.run("tail -n 30 /tmp/log")?);
            }
            thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }

    /// Asks the machine's monitor, which stands outside of it.
    fn monitor(&mut self, command: &str) -> Result<String> {
        self.monitor.write_all(format!("{command}\n").as_bytes())?;
        let (mut said, mut piece, end) = (String::new(), [0; 4096], Instant::now() + ANSWERS_WITHIN);
        // it repeats the command and ends its answer with a prompt
        while said.matches("(qemu)").count() < 1 || !said.trim_end().ends_with("(qemu)") || !said.contains(command) {
            ensure!(Instant::now() < end, "the monitor does not answer {command:?}: {said}");
            match self.monitor.read(&mut piece) {
                Ok(length) => said.push_str(&plain(&String::from_utf8_lossy(&piece[..length]))),
                Err(error) if is_not_yet(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(said)
    }

    /// What every pin does at this moment.
    fn pins(&mut self) -> Result<Pins> {
        let said = self.monitor(REGISTERS)?;
        let words: Vec<u32> =
            said.split_whitespace().filter_map(|word| u32::from_str_radix(word.strip_prefix("0x")?, 16).ok()).collect();
        // the command itself has an address, the answer 14 words
        let answer = words.get(words.len().saturating_sub(LEVELS + 1)..).unwrap_or_default();
        answer.try_into().map(Pins).with_context(|| format!("no registers in {said:?}"))
    }

    /// Whether a pin is driven high.
    pub(crate) fn is_driven(&mut self, pin: u8) -> Result<bool> {
        Ok(self.pins()?.is_driven(pin))
    }

    /// Waits until a pin is driven high, or no longer is.
    pub(crate) fn wait_for_pin(&mut self, pin: u8, driven: bool, within: Duration) -> Result<()> {
        self.wait_for_pins(&[(pin, driven)], within)
    }

    /// Waits for a moment at which each of these pins is driven high, or is not.
    pub(crate) fn wait_for_pins(&mut self, wanted: &[(u8, bool)], within: Duration) -> Result<()> {
        let end = Instant::now() + within;
        loop {
            let pins = self.pins()?;
            if wanted.iter().all(|(pin, driven)| pins.is_driven(*pin) == *driven) {
                return Ok(());
            }
            if Instant::now() >= end {
                bail!("pins are not {wanted:?}; the box said: {}", self.run("tail -n 30 /tmp/log")?);
            }
        }
    }

    /// The scanner on the USB port types a code and Enter, as on a keyboard of the United States.
    pub(crate) fn scan(&mut self, code: &str) -> Result<()> {
        for key in code.chars().map(key).chain(std::iter::once(Ok("ret".to_owned()))) {
            self.monitor(&format!("sendkey {} 10", key?))?;
            thread::sleep(KEY_PAUSE);
        }
        Ok(())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.qemu.kill().and_then(|()| self.qemu.wait());
    }
}

fn is_not_yet(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}

/// The monitor redraws its line after every character that it is sent: only what stands there in the end counts.
fn plain(said: &str) -> String {
    let mut plain = String::new();
    let mut chars = said.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\u{1b}' if chars.next_if_eq(&'[').is_some() => {
                let end = chars.by_ref().find(char::is_ascii_alphabetic);
                if end == Some('D') {
                    plain.pop();
                }
            }
            '\r' => {}
            char => plain.push(char),
        }
    }
    plain
}

/// Name of the key, as the monitor takes it.
fn key(char: char) -> Result<String> {
    Ok(match char {
        '0'..='9' | 'a'..='z' => char.to_string(),
        'A'..='Z' => format!("shift-{}", char.to_ascii_lowercase()),
        ' ' => "spc".into(),
        '$' => "shift-4".into(),
        '%' => "shift-5".into(),
        '*' => "shift-8".into(),
        '+' => "shift-equal".into(),
        '-' => "minus".into(),
        '.' => "dot".into(),
        '/' => "slash".into(),
        ':' => "shift-semicolon".into(),
        other => bail!("no key for {other:?}"),
    })
}
