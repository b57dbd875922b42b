use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    sync::{Arc, mpsc},
};

use domain::{
    journal::Means,
    money::Cents,
    till::{Basket, BasketLine},
};
use hardware::signal::Signal;

use super::*;
use crate::{
    bench::{Bench, cents},
    drivers::{self, config::PrinterConfig},
    tap_desk::{Purpose, TopUpOrder},
};

const SOON: Duration = Duration::from_secs(20);

/// Code page 858 where it differs from ASCII, as far as these receipts need it (IBM's table).
fn cp858(byte: u8) -> char {
    match byte {
        b' '..=b'~' => char::from(byte),
        0x82 => 'é',
        0x85 => 'à',
        0x8a => 'è',
        0xd5 => '€',
        other => panic!("{other:#x} is not on a receipt"),
    }
}

/// Reads the printer's language back into rows of text; `true` for bold ones.
fn decoded(bytes: &[u8]) -> Vec<(bool, String)> {
    let (mut rows, mut row, mut bold, mut code_page, mut rest) = (Vec::new(), String::new(), false, 0, bytes);
    let mut was_cut = false;
    while let Some((byte, after)) = rest.split_first() {
        assert!(!was_cut, "nothing after the cut");
        let skip = match (byte, after) {
            (0x1b, [b'@', ..]) => 1,
            (0x1b, [b't', page, ..]) => {
                code_page = *page;
                2
            }
            (0x1b, [b'a', ..]) => 2,
            (0x1b, [b'E', on, ..]) => {
                bold = *on == 1;
                2
            }
            (0x1b, [b'd', lines, ..]) => {
                rows.extend((0..*lines).map(|n| (bold, if n == 0 { std::mem::take(&mut row) } else { String::new() })));
                2
            }
            (0x1d, [b'V', b'A', _, ..]) => {
                was_cut = true;
                3
            }
            (byte, _) => {
                assert_eq!(code_page, 19, "code page 858 on Epson printers");
                row.push(cp858(*byte));
                0
            }
        };
        rest = &after[skip..];
    }
    assert!(was_cut);
    rows
}

/// A till with a printer on a socket, which hands out each receipt it gets.
struct Till {
    bench: Bench,
    receipts: mpsc::Receiver<Vec<u8>>,
    served: Option<thread::JoinHandle<()>>,
}

fn printer(paper: &'static [u8]) -> (SocketAddr, mpsc::Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receipts) = mpsc::channel();
    thread::spawn(move || {
        for (connection, status) in listener.incoming().zip(paper.iter().chain(std::iter::repeat(&0x12))) {
            let mut stream = connection.unwrap();
            stream.read_exact(&mut [0; 3]).unwrap();
            stream.write_all(&[*status]).unwrap();
            let mut receipt = Vec::new();
            stream.read_to_end(&mut receipt).unwrap();
            if !receipt.is_empty() && sender.send(receipt).is_err() {
                return;
            }
        }
    });
    (address, receipts)
}

impl Till {
    fn at(bench: Bench, address: SocketAddr, receipts: mpsc::Receiver<Vec<u8>>) -> Self {
        let mut printer = drivers::open_printer(&PrinterConfig { address: Some(address), path: None, columns: 32 });
        let (station, jobs) = (Arc::clone(&bench.station), bench.station.has_printer().unwrap());
        let served = thread::spawn(move || serve(&station, &jobs, printer.as_mut(), 32));
        Self { bench, receipts, served: Some(served) }
    }

    fn new() -> Self {
        let (address, receipts) = printer(&[]);
        Self::at(Bench::new(), address, receipts)
    }

    fn prints(&self, entry: EntryRef) -> Vec<(bool, String)> {
        self.bench.station.print_receipt(entry).unwrap();
        decoded(&self.receipts.recv_timeout(SOON).unwrap())
    }
}

impl Drop for Till {
    fn drop(&mut self) {
        self.bench.station.stop();
        self.served.take().unwrap().join().unwrap();
    }
}

fn top_up(bench: &Bench, band: u8) -> EntryRef {
    let order = TopUpOrder { amount: cents(2_000), fee: cents(50), means: Means::Cash };
    let (light, result) = bench.tap(Purpose::TopUp(order), &bench.purse(band));
    assert_eq!(light, Some(Signal::Ok), "{result:?}");
    crate::station::entry_ref(&result.entry).unwrap()
}

fn sale(bench: &Bench, band: u8) -> EntryRef {
    let band = bench.purse(band);
    let order = TopUpOrder { amount: cents(2_000), fee: Cents::ZERO, means: Means::Cash };
    bench.tap(Purpose::TopUp(order), &band);
    let lines =
        vec![BasketLine { product: 2, quantity: 3, free: false }, BasketLine { product: 1, quantity: 1, free: false }];
    let priced = bench.priced(&Basket { lines, ..Basket::default() });
    let (light, result) = bench.tap(Purpose::Sale(priced), &band);
    assert_eq!(light, Some(Signal::Ok), "{result:?}");
    crate::station::entry_ref(&result.entry).unwrap()
}

/// What a row ends with, in cents.
fn amount(row: &str) -> i64 {
    let digits: String = row.chars().skip(row.chars().count() - 9).filter(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

#[test]
fn a_receipt_has_the_sales_lines_to_the_cent_in_the_printers_code_page() {
    let till = Till::new();
    let entry = sale(&till.bench, 2);
    let rows = till.prints(entry);
    let booked = till.bench.entries(domain::journal::Kind::SALE).pop().unwrap().amount.as_i64();
    let total = rows.iter().find(|(bold, row)| *bold && row.starts_with("Total")).unwrap();
    assert_eq!(amount(&total.1), booked, "{rows:#?}");
    assert!(total.1.contains('€'));
    let (lines, _): (Vec<_>, Vec<_>) = rows.iter().partition(|(bold, row)| !bold && row.contains('€'));
    assert!(lines.iter().any(|(_, row)| row.starts_with("3 x ")), "{rows:?}");
    assert_eq!(lines.iter().map(|(_, row)| amount(row)).sum::<i64>(), booked, "{rows:#?}");
    assert!(rows.iter().all(|(_, row)| row.chars().count() <= 32), "{rows:?}");
}

#[test]
fn a_second_print_is_a_duplicate_and_so_is_what_an_earlier_run_may_have_printed() {
    let is_duplicate = |rows: &[(bool, String)]| rows.iter().any(|(bold, row)| *bold && row.contains("DUPLICAT"));
    let bench = Bench::new();
    let old = top_up(&bench, 1);
    let (address, receipts) = printer(&[]);
    let till = Till::at(bench, address, receipts);
    assert!(is_duplicate(&till.prints(old)));
    let new = sale(&till.bench, 2);
    assert!(!is_duplicate(&till.prints(new)));
    assert!(is_duplicate(&till.prints(new)));
}

#[test]
fn training_is_marked_and_a_top_up_names_its_fee() {
    let till = Till::new();
    let rows = till.prints(top_up(&till.bench, 3));
    assert!(rows.iter().any(|(_, row)| amount_is(row, 2_000)) && rows.iter().any(|(_, row)| amount_is(row, 50)));
    assert!(rows.iter().any(|(bold, row)| *bold && amount_is(row, 2_050)), "{rows:?}");
    assert!(!rows.iter().any(|(_, row)| row.contains("TRAINING") || row.contains("ENTRA")));
    till.bench.station.train(true).unwrap();
    let rows = till.prints(top_up(&till.bench, 4));
    assert!(rows.iter().any(|(bold, row)| *bold && (row.contains("TRAINING") || row.contains("ENTRA"))), "{rows:?}");
}

fn amount_is(row: &str, cents: i64) -> bool {
    row.contains('€') && amount(row) == cents
}

#[test]
fn without_paper_nothing_is_lost_and_the_original_is_printed_once_there_is_some() {
    let (address, receipts) = printer(&[0x72]);
    let till = Till::at(Bench::new(), address, receipts);
    let entry = sale(&till.bench, 2);
    till.bench.station.print_receipt(entry).unwrap();
    let deadline = Instant::now() + SOON;
    while !till.bench.station.alerts.shown().iter().any(|alert| alert.code == NO_PAPER) {
        assert!(Instant::now() < deadline, "the screen is told");
        thread::sleep(Duration::from_millis(2));
    }
    let rows = decoded(&till.receipts.recv_timeout(SOON).unwrap());
    assert!(!rows.iter().any(|(_, row)| row.contains("DUPLICAT")), "{rows:?}");
}

/// A printer that ends the connection by a reset, although it may have printed.
struct Resets(u32);

impl Printer for Resets {
    fn is_ready(&mut self) -> Result<(), PrinterError> {
        Ok(())
    }

    fn print(&mut self, _: &[u8]) -> Result<(), PrinterError> {
        self.0 += 1;
        Err(PrinterError::Stopped("connection reset".into()))
    }
}

#[test]
fn a_receipt_that_breaks_off_again_and_again_is_not_printed_for_a_whole_minute() {
    let bench = Bench::new();
    let receipt = Receipt::of(&bench.station, sale(&bench, 2)).unwrap();
    let mut originals = Originals { head: None, printed: BTreeSet::new() };
    let mut printer = Resets(0);
    work(&bench.station, &Job { receipt, since: Instant::now() }, &mut originals, &mut printer, 32);
    assert_eq!(printer.0, MOST_BEGUN);
    assert!(bench.station.alerts.shown().iter().any(|alert| alert.code == GIVEN_UP));
}

/// A printer whose code panics at first.
struct PanicsOnce(Vec<Vec<u8>>, bool);

impl Printer for PanicsOnce {
    fn is_ready(&mut self) -> Result<(), PrinterError> {
        assert!(std::mem::replace(&mut self.1, true), "while it asks the printer");
        Ok(())
    }

    fn print(&mut self, receipt: &[u8]) -> Result<(), PrinterError> {
        self.0.push(receipt.to_vec());
        Ok(())
    }
}

#[test]
fn a_printer_whose_code_panics_is_told_and_counted_and_prints_the_next_receipt() {
    let bench = Bench::new();
    let jobs = bench.station.has_printer().unwrap();
    for band in [2, 4] {
        bench.station.print_receipt(sale(&bench, band)).unwrap();
    }
    let mut printer = PanicsOnce(Vec::new(), false);
    thread::scope(|scope| {
        let (station, device) = (&bench.station, &mut printer);
        scope.spawn(move || serve(station, &jobs, device, 32));
        let deadline = Instant::now() + SOON;
        // told first, and over with the next receipt
        while bench.station.device_failures.get() == 0
            || bench.station.alerts.shown().iter().any(|alert| alert.code == GIVEN_UP)
        {
            assert!(Instant::now() < deadline, "{:?}", bench.station.alerts.shown());
            thread::sleep(Duration::from_millis(2));
        }
        bench.station.stop();
    });
    assert_eq!((printer.0.len(), bench.station.device_failures.get()), (1, 1));
}

#[test]
fn a_sale_does_not_wait_for_a_printer_that_is_away_and_the_queue_is_bounded() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let till = Till::at(Bench::new(), address, mpsc::channel().1);
    let entry = sale(&till.bench, 2);
    let (begun, mut taken) = (Instant::now(), 0);
    let refused = loop {
        match till.bench.station.print_receipt(entry) {
            Ok(_) => taken += 1,
            Err(refused) => break refused,
        }
        assert!(taken <= MOST_WAITING + 1);
    };
    assert_eq!(refused, NotDone::Code("printer.busy"));
    assert!(begun.elapsed() < SOON, "a receipt is tried for a minute");
    sale(&till.bench, 4);
}

#[test]
fn what_is_no_sale_or_top_up_of_this_box_has_no_receipt() {
    let bench = Bench::new();
    let genesis = EntryRef { seq: 0, ..sale(&bench, 2) };
    assert_eq!(bench.station.print_receipt(genesis), Err(NotDone::Code("printer.none")));
    let _jobs = bench.station.has_printer().unwrap();
    assert_eq!(bench.station.print_receipt(genesis), Err(NotDone::Code("printer.no_receipt")));
    let elsewhere = EntryRef { device: domain::id::DeviceId([9; 16]), ..genesis };
    assert_eq!(bench.station.print_receipt(elsewhere), Err(NotDone::Code("printer.no_receipt")));
}
