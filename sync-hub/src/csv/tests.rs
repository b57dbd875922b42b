//! Whole files against a hub on disk: there and back, again, damaged, and as pretix and spreadsheets write them.
use domain::{money::Cents, ticket::holder_check};
use proptest::prelude::*;

use super::*;
use crate::{sample, store::BarReason, tickets::Order};

fn take(hub: &mut Hub, table: Table, file: &[u8]) -> Result<Taken, CsvError> {
    take_or_skip(hub, table, file, false)
}

fn take_or_skip(hub: &mut Hub, table: Table, file: &[u8], skip: bool) -> Result<Taken, CsvError> {
    match hub.import_csv(table, file, skip) {
        Ok(taken) => Ok(taken),
        Err(HubError::Csv(error)) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

fn written(hub: &Hub, table: Table) -> String {
    let mut out = Vec::new();
    export(&hub.reading().unwrap(), table, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn counts(taken: &Taken) -> (usize, usize, usize, usize) {
    (taken.new, taken.changed, taken.unchanged, taken.skipped)
}

fn bad_lines(error: CsvError) -> Vec<u64> {
    let CsvError::Lines { lines, .. } = &error else { panic!("{error}") };
    lines.iter().map(|bad| bad.line).collect()
}

#[test]
fn a_bad_line_is_named_with_its_number_whatever_ends_the_lines() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    for end in ["\n", "\r\n", "\r"] {
        let lines = ["reference,category", "A1,1", ",1", "A2,1", "A3,nothing", ""];
        let error = take(&mut hub, Table::Tickets, lines.join(end).as_bytes()).unwrap_err();
        assert_eq!(bad_lines(error), [3, 5], "{end:?}");
    }
}

#[test]
fn tickets_go_from_one_hub_to_another_and_back_without_a_change() {
    let (one, two) = (sample::hub_dir(), sample::hub_dir());
    let (mut from, mut to) = (sample::open(one.path()), sample::open(two.path()));
    let order = Order { category: 1, holder: "Ada".into(), valid_from: 0, valid_until: 0 };
    let tickets = from.issue(&order, 50).unwrap();
    from.bar_tickets(&[tickets[3].uid], BarReason::Revoked).unwrap();
    from.bar_tickets(&[tickets[4].uid], BarReason::Blocked).unwrap();
    let list = written(&from, Table::Tickets);
    assert!(!list.contains("Ada"), "no holder's name");
    assert_eq!(counts(&take(&mut to, Table::Tickets, list.as_bytes()).unwrap()), (50, 0, 0, 0));
    assert_eq!(counts(&take(&mut to, Table::Tickets, list.as_bytes()).unwrap()), (0, 0, 50, 0));
    assert_eq!(written(&to, Table::Tickets), list);
    assert!(to.store().is_barred(tickets[3].uid, BarReason::Revoked).unwrap());
    assert!(to.store().is_barred(tickets[4].uid, BarReason::Blocked).unwrap());
}

#[test]
fn a_list_of_orders_as_pretix_writes_it_issues_each_ticket_once() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let list = "\u{feff}Order code;Email;Position ID;Product;Price;Attendee name;Status\r\n\
        A3F9K;ada@example.org;1;Pass 3 jours;120,00;\"Lefèvre; Hélène\";paid\r\n\
        A3F9K;ada@example.org;2;3-day pass;120,00;;paid\r\n\
        B7Q2M;=cmd|'/C calc'!A0;1;Pass 3 jours;120,00;'=SUM(A1);Paid\r\n\
        C1Z8T;eve@example.org;1;Pass 3 jours;120,00;Eve;canceled\r\n";
    assert_eq!(counts(&take(&mut hub, Table::Tickets, list.as_bytes()).unwrap()), (3, 0, 0, 0));
    assert_eq!(counts(&take(&mut hub, Table::Tickets, list.as_bytes()).unwrap()), (0, 0, 3, 0));
    assert_eq!(hub.store().issued_count().unwrap(), 3, "the cancelled one was not issued");
    let bundle = domain::bundle::Bundle::verify(&hub.current_bundle().unwrap().bytes, None).unwrap();
    let mut checks = Vec::new();
    hub.reading()
        .unwrap()
        .each_issued(|ticket, _| {
            checks.push(bundle.verifier(&[]).read(&ticket.text).unwrap().holder_check);
            Ok::<_, StoreError>(())
        })
        .unwrap();
    assert!(checks.contains(&Some(holder_check("Lefèvre; Hélène"))));
    assert!(checks.contains(&Some(holder_check("=SUM(A1)"))), "the apostrophe is not part of the name");
    assert!(!written(&hub, Table::Tickets).contains("Hélène"));
}

/// The header as pretix writes it: the attendee's address and the invoice's have the same names.
const POSITIONS: &str = "Event slug,Order code,Position ID,Status,Email,Phone number,Order date,Order time,Product,\
    Variation,Price,Tax rate,Tax rule,Tax value,Attendee name,Attendee email,Company,Address,ZIP code,City,Country,\
    State,Voucher,Pseudonymization ID,Seat ID,Seat name,Seat zone,Seat row,Seat number,Order comment,Follow-up date,\
    Company,Invoice address name,Address,ZIP code,City,Country,State,VAT ID,Sales channel,Order locale,\
    E-mail address verified,Payment providers\r\n";

fn position(code: &str, status: &str, holder: &str) -> String {
    format!(
        "main,{code},1,{status},ada@example.org,,2027-01-02,10:00:00,Pass 3 jours,,120.00,19.00,,19.16,{holder},,\
         ACME,\"1, rue X\nbât. B\",75001,Paris,FR,,,ABC,,,,,,\"call\nback\",,\
         ACME SA,Ada L,2 rue Y,75002,Lyon,FR,,,web,fr,Yes,stripe\r\n"
    )
}

#[test]
fn a_whole_list_of_positions_is_taken_though_both_addresses_have_the_same_columns() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let lines = [position("A1", "paid", "Ada"), position("A2", "Payé", ""), position("A3", "bezahlt", "Eve")].concat();
    let list = format!("{POSITIONS}{lines}");
    assert_eq!(counts(&take(&mut hub, Table::Tickets, list.as_bytes()).unwrap()), (3, 0, 0, 0));
    assert_eq!(counts(&take(&mut hub, Table::Tickets, list.as_bytes()).unwrap()), (0, 0, 3, 0));
    // A question of the organiser's has the name of a column that says who may come in.
    let doubled = list.replacen("VAT ID", "Status", 1);
    let error = take(&mut hub, Table::Tickets, doubled.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("twice"), "{error}");
}

#[test]
fn a_status_that_nobody_knows_is_a_bad_line() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let list = "Order code,Position ID,Product,Status\nA1,1,1,paid\nA2,1,1,zzz\nA3,1,1,pagado\nA4,1,1,PAYÉ\n";
    assert_eq!(bad_lines(take(&mut hub, Table::Tickets, list.as_bytes()).unwrap_err()), [3, 4]);
    assert_eq!(hub.store().issued_count().unwrap(), 0);
    assert_eq!(counts(&take_or_skip(&mut hub, Table::Tickets, list.as_bytes(), true).unwrap()), (2, 0, 0, 2));
}

#[test]
fn positions_that_are_not_paid_for_are_counted_and_those_of_tickets_that_were_issued_are_named() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let list = |one: &str, two: &str| {
        let further = "B1,1,1,pending\nB2,1,1,Expiré\nB3,1,1,storniert (bezahlte Gebühr)\nB4,1,1,N\n";
        format!("Order code,Position ID,Product,Status\nA1,1,1,{one}\nA1,2,1,{two}\n{further}")
    };
    let taken = take(&mut hub, Table::Tickets, list("paid", "paid").as_bytes()).unwrap();
    assert_eq!((counts(&taken), taken.unpaid, taken.lapsed), ((2, 0, 0, 0), 4, 0));
    let taken = take(&mut hub, Table::Tickets, list("paid", "canceled").as_bytes()).unwrap();
    assert_eq!((counts(&taken), taken.unpaid, taken.lapsed), ((0, 0, 1, 0), 5, 1));
    let [lapsed] = taken.lapsed_tickets.as_slice() else { panic!("{taken:?}") };
    assert_eq!((lapsed.line, lapsed.reference.as_str()), (3, "pretix A1 2"));
    assert!(written(&hub, Table::Tickets).contains(&format!("{},1,valid,", lapsed.id)), "nobody revoked it");
    let id = domain::wire::unhex(&lapsed.id).unwrap().try_into().unwrap();
    let uid = domain::ticket::uid_of_own(&hub.identity().festival, &id);
    hub.bar_tickets(&[uid], BarReason::Revoked).unwrap();
    let taken = take(&mut hub, Table::Tickets, list("paid", "canceled").as_bytes()).unwrap();
    assert_eq!((taken.unpaid, taken.lapsed), (5, 0), "one that is revoked is no news");
}

#[test]
fn a_file_with_bad_lines_is_refused_whole_with_the_number_of_each() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let list = b"number,name_fr,name_en,price,zones\n\
        2,Jour,Day,45.00,1\n\
        3,Nuit,Night,4.5,1\n\
        2,Encore,Again,1.00,1\n\
        5,Trop,Few,1.00\n\
        x,Nom,Name,100,1\n\
        6,\xff\xfe,Name,100,1\n\
        7,,Name,100,1\n\
        8,Nom,Name,16777216,1\n\
        9,\"Nom\x07\",Name,100,1\n\
        10,Fin,End,\"12,34\",3\n";
    assert_eq!(bad_lines(take(&mut hub, Table::Categories, list).unwrap_err()), [3, 4, 5, 6, 7, 8, 9, 10]);
    assert_eq!(hub.store().categories().unwrap().len(), 1, "nothing was taken");
    let taken = take_or_skip(&mut hub, Table::Categories, list, true).unwrap();
    assert_eq!(counts(&taken), (2, 0, 0, 8));
    let held = hub.store().categories().unwrap();
    assert_eq!(
        held.iter().map(|one| (one.number, one.price.get())).collect::<Vec<_>>(),
        [(1, 12_000), (2, 4_500), (10, 1_234)]
    );
}

#[test]
fn a_header_that_is_unknown_doubled_missing_or_absent_is_refused_by_name() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    for (file, word) in [
        (&b""[..], "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b"number,name_fr,name_en,price", "\"zones\" is missing"),
        (b"number,number,name_fr,name_en,price,zones", "twice"),
        (b"number,name_fr,name_en,price,zones,colour", "\"colour\" is not known"),
        (b"\xff\xfe,b", "UTF-8"),
    ] {
        let error = take(&mut hub, Table::Categories, file).unwrap_err().to_string();
        assert!(error.contains(word), "{word}: {error}");
    }
    assert_eq!(
        counts(&take(&mut hub, Table::Categories, b"number,name_fr,name_en,price,zones\n").unwrap()),
        (0, 0, 0, 0)
    );
}

#[test]
fn bands_are_taken_by_uid_and_only_their_wallets_are_kept() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let uid = "04:78:2E:21:80:1D:80";
    let wallet = hub.wallet_of("04782e21801d80").unwrap();
    let list = format!("uid,profile,batch\n{uid},ntag21x,=lot 7\n04f10000000180,pointer,lot 8\n");
    assert_eq!(counts(&take(&mut hub, Table::Bands, list.as_bytes()).unwrap()), (2, 0, 0, 0));
    let out = written(&hub, Table::Bands);
    assert!(out.contains(&format!("{},ntag21x,'=lot 7,issued,", wallet.to_hex())), "{out}");
    assert!(!out.to_lowercase().contains("04782e"), "no UID");
    assert_eq!(counts(&take(&mut hub, Table::Bands, out.as_bytes()).unwrap()), (0, 0, 2, 0));
    let moved = list.replace("=lot 7", "lot 9");
    assert_eq!(counts(&take(&mut hub, Table::Bands, moved.as_bytes()).unwrap()), (0, 1, 1, 0));
    let bad =
        format!("uid;wallet;profile;batch\n{uid};;wood;a\nzz;;uid;a\n;;uid;a\n{uid};00;uid;a\n04aabbccddeeff;;uid;\n");
    assert_eq!(bad_lines(take(&mut hub, Table::Bands, bad.as_bytes()).unwrap_err()), [2, 3, 4, 5, 6]);
}

#[test]
fn the_list_that_provision_bands_writes_is_taken_with_spare_bands_and_bad_chips() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let list = format!(
        "wallet,kind,state,reason,time\n\
         {0}1,ntag215,issued,,2027-07-16 18:30:00 UTC\n\
         {0}2,ultralight_aes,bad,band.refused_write,2027-07-16 18:31:00 UTC\n\
         {0}3,ultralight_c,bad,band.ultralight_c,2027-07-16 18:32:00 UTC\n\
         {0}2,ultralight_aes,issued,,2027-07-17 08:00:00 UTC\n\
         {0}4,ntag213,spare,,2027-07-17 08:01:00 UTC\n\
         {0}5,uid,issued,,2027-07-17 08:02:00 UTC\n",
        "0".repeat(31)
    );
    let taken = |hub: &mut Hub, list: &str| counts(&take(hub, Table::Bands, list.as_bytes()).unwrap());
    assert_eq!(taken(&mut hub, &list), (5, 0, 0, 0), "a chip's last line counts");
    assert_eq!(taken(&mut hub, &list), (0, 0, 5, 0));
    let count = |hub: &Hub| hub.reading().unwrap().band_counts().unwrap();
    assert_eq!(count(&hub), crate::store::BandCounts { issued: 3, spare: 1, bad: 1 });
    let out = written(&hub, Table::Bands);
    assert!(out.contains("4,pointer,2027-07-17,spare,\r\n"), "{out}");
    assert!(out.contains("3,,2027-07-16,bad,band.ultralight_c\r\n"), "{out}");
    assert_eq!(taken(&mut hub, &out), (0, 0, 5, 0), "what was written out comes in again");
    // a spare band was given out: the next list says so
    let given = list.replace("ntag213,spare", "ntag213,issued");
    assert_eq!(taken(&mut hub, &given), (0, 1, 4, 0));
    assert_eq!(count(&hub), crate::store::BandCounts { issued: 4, spare: 0, bad: 1 });

    let bad = list
        .replace("1,ntag215,issued,", "1,ntag219,issued,")
        .replace("bad,band.ultralight_c", "bad,=cmd")
        .replace("ntag213,spare,", "ntag213,lost,")
        .replace("uid,issued,,2027", "uid,issued,band.refused_write,2027");
    let torn = bad.clone() + "00ff,ultra";
    assert_eq!(bad_lines(take(&mut hub, Table::Bands, torn.as_bytes()).unwrap_err()), [2, 4, 6, 7, 8]);
    assert_eq!(count(&hub).issued, 4, "nothing was taken");
    assert_eq!(counts(&take_or_skip(&mut hub, Table::Bands, torn.as_bytes(), true).unwrap()), (0, 0, 1, 5));
    let late =
        list.replace("18:30:00 UTC", "half past six").replace("ultralight_c,bad,band.ultralight_c", "other,issued,");
    assert_eq!(bad_lines(take(&mut hub, Table::Bands, late.as_bytes()).unwrap_err()), [2, 4]);
}

#[test]
fn a_ticket_text_is_taken_only_from_this_festivals_own_keys_and_only_as_it_stands() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let order = Order { category: 1, holder: String::new(), valid_from: 0, valid_until: 0 };
    let tickets = hub.issue(&order, 2).unwrap();
    let id = |n: usize| domain::wire::hex(&tickets[n].id);
    let stranger = "*50BIEQOLI9EG/DOED/PDSUEB/D634..6 5000088GCWHBWD49GUXD1FPU0DVPCA.3ZL5EGPV+O+5G2BFRQMPM3%LHMBQI6KK+IZ9C XISK2WYCF/O84U*/PTGU0F402O .4%SVX/CU1W+CP/%2:BS50";
    let list = format!(
        "id,category,text\n{},1,{}\n{},1,{stranger}\n{},2,{}\nzz,1,{}\n",
        id(0),
        tickets[1].text,
        id(0),
        id(0),
        tickets[0].text,
        tickets[0].text
    );
    assert_eq!(bad_lines(take(&mut hub, Table::Tickets, list.as_bytes()).unwrap_err()), [2, 3, 4, 5]);
    let list = "reference,category\nA1,1\nA1,1\n,1\nA2,nothing\n";
    assert_eq!(bad_lines(take(&mut hub, Table::Tickets, list.as_bytes()).unwrap_err()), [3, 4, 5]);
    assert_eq!(hub.store().issued_count().unwrap(), 2);
}

#[test]
fn a_file_that_is_too_long_or_one_endless_cell_is_refused() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let endless = format!("number,name_fr,name_en,price,zones\n2,\"{}", "x".repeat(CELL_MAX + 10));
    assert_eq!(bad_lines(take(&mut hub, Table::Categories, endless.as_bytes()).unwrap_err()), [2]);
    let head = b"number,name_fr,name_en,price,zones\n".to_vec();
    let long = head.chain(std::io::repeat(b'\n'));
    assert!(matches!(hub.import_csv(Table::Categories, long, true), Err(HubError::Csv(CsvError::TooLong))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_categories_come_back_from_their_list(
        rows in proptest::collection::btree_map(2u16.., ("[=+@'-]?[\\PC&&[^\\p{Z}]]{1,20}", 0..=Cents::MAX.get(), any::<u32>()), 0..20),
    ) {
        let dir = sample::hub_dir();
        let mut hub = sample::open(dir.path());
        for (number, (name, price, zones)) in &rows {
            let Some(price) = Cents::new(*price) else { continue };
            let name: String = name.chars().filter(|c| !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')).collect();
            let name = if name.trim().is_empty() { "n".to_string() } else { name.trim().to_string() };
            let voucher_product = zones.is_multiple_of(2).then_some(*zones);
            let voucher_quantity = voucher_product.map_or(0, |_| zones % 7 + 1);
            let category = domain::bundle::Category {
                number: *number, name_fr: name.clone(), name_en: name, price, zones: *zones, voucher_product, voucher_quantity,
            };
            hub.add_category(&category).unwrap();
        }
        let list = written(&hub, Table::Categories);
        let held = hub.store().categories().unwrap();
        prop_assert_eq!(take(&mut hub, Table::Categories, list.as_bytes()).map(|taken| taken.unchanged), Ok(held.len()));
        let other = sample::hub_dir();
        let mut other = sample::open(other.path());
        prop_assert!(take(&mut other, Table::Categories, list.as_bytes()).is_ok());
        prop_assert_eq!(other.store().categories().unwrap(), held);
    }

    #[test]
    fn no_bytes_make_an_import_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), which in 0usize..3) {
        let dir = sample::hub_dir();
        let mut hub = sample::open(dir.path());
        let heads: [&[u8]; 3] = [b"reference,category\n", b"number;name_fr;name_en;price;zones\r\n", b"uid,profile,batch\n"];
        let _ = take(&mut hub, Table::ALL[which], &bytes);
        let _ = take(&mut hub, Table::ALL[which], &[heads[which], &bytes].concat());
    }
}
