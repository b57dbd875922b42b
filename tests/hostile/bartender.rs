//! An evening of somebody behind the bar who cheats, through the till's own API: whatever he does stands in the hub's
//! journals under his number, uses up his quota, or shows in the drawer.
use std::{fs, time::Duration};

use domain::{
    id::EntryRef,
    journal::{Detail, Effect, Entry, Flags, Kind},
};
use evening::{
    audit::journals::Journals,
    chance::Chance,
    guest::Guest,
    ticket::Paper,
    world::{
        DESK, World,
        counter::{Request, Tapped, fault},
        place::Place,
        wait::until,
    },
};
use screens::{
    post,
    view::{DocumentView, ShopView},
};
use serde_json::{Value, json};
use tokio::task::block_in_place;

const SOON: Duration = Duration::from_secs(30);
/// Who cheats, and who may confirm.
const BARTENDER: (u32, &str) = (21, "48213");
const SUPERVISOR: (u32, &str) = (3, "770412");
/// A beer and its cup.
const BEER: u32 = 1;
const BEER_CENTS: i64 = 350;
const FLOAT: u32 = 10_000;

fn pin(of: (u32, &str)) -> post::Pin {
    post::Pin { number: of.0, pin: of.1.into() }
}

/// The technician's tool makes the edit, the hub enters it, the till hears of it.
async fn take_on(world: &World, who: (u32, &str), name: &str, roles: &[&str]) {
    let (pin_file, file) = (world.dir().join(format!("{name}.pin")), world.dir().join(format!("{name}.json")));
    fs::write(&pin_file, who.1).unwrap();
    let text = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let (festival, out, number) = (text(world.technician.dir()), text(&file), who.0.to_string());
    let pin_file = text(&pin_file);
    let mut words = vec!["staff", "new", "--festival", &festival, "--out", &out, "--number", &number, "--name", name];
    words.extend(["--pin-file", &pin_file]);
    roles.iter().for_each(|role| words.extend(["--role", role]));
    world.technician.programs().provision(&words).unwrap();
    let body: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    world.hub.api.post::<Value>("/api/documents/edit", &body).await.unwrap();
    let till = world.place(DESK.name).unwrap();
    let is_known = async || {
        let staff: DocumentView = till.api.get("/api/documents/staff").await?;
        Ok(staff.fields.contains_key(&format!("member/{number}/name")).then_some(()))
    };
    until("the till knows who works there", SOON, is_known).await.unwrap();
}

fn paper() -> Paper {
    Paper { text: String::new(), refused_with: None, id: None }
}

struct Bar<'a> {
    till: &'a Place,
    chance: Chance,
}

impl Bar<'_> {
    /// A tap that ends green: the entry's name, and what the screen shows the guest to be left.
    async fn green(&mut self, guest: &mut Guest, request: Request) -> (String, i64) {
        let id = self.chance.request_id();
        let tapped = self.till.tap_until_over(guest, &request, &id, Vec::new()).await.unwrap();
        let Tapped::Green(result) = tapped else { panic!("{request:?}: {tapped:?}") };
        (result.entry, result.balance_after_cents.unwrap_or_default())
    }

    async fn post(&self, path: &str, body: &impl serde::Serialize) -> Value {
        self.till.api.post(path, body).await.unwrap()
    }

    /// The code with which it is refused.
    async fn refused(&self, path: &str, body: &impl serde::Serialize) -> String {
        self.till.api.ask::<Value>(path, body).await.unwrap().unwrap_err().code
    }

    async fn shop(&self) -> ShopView {
        self.till.view().await.unwrap().shop.unwrap()
    }

    fn correct(&mut self, entry: &str, cents: u32, supervisor: Option<post::Pin>) -> post::Correct {
        let (id, entry, reason) = (self.chance.request_id(), entry.to_owned(), "wrong_order".to_owned());
        let (amount_cents, favour) = (Some(cents), post::Favour::Guest);
        post::Correct { id, entry, amount_cents, favour, reason, at_desk: false, supervisor }
    }

    fn for_nothing(&mut self, quantity: u32) -> post::Sale {
        let lines = vec![post::SaleLine { product: BEER, quantity, free: true }];
        let free_reason = Some("crew".to_owned());
        post::Sale { id: self.chance.request_id(), lines, free_reason, ..post::Sale::default() }
    }
}

/// Entries of this kind at the hub that were made under a number, as they lie in its journals.
fn under(number: u32, kind: Kind, journals: &Journals) -> Vec<(EntryRef, Entry)> {
    let all = journals.all().filter(|(_, entry)| (entry.kind, entry.operator) == (kind, number));
    all.map(|(at, entry)| (*at, entry.clone())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_bartender_does_stands_under_his_number() {
    let world = World::of(&[DESK]).await.unwrap();
    take_on(&world, SUPERVISOR, "Sol", &["bar", "top-up", "supervisor"]).await;
    take_on(&world, BARTENDER, "Rik", &["bar", "top-up"]).await;
    let mut bar = Bar { till: world.place(DESK.name).unwrap(), chance: Chance::new(31) };
    let (mut friend, mut victim) =
        (Guest::new(1, paper(), world.supplier.uid_only(1)), Guest::new(2, paper(), world.supplier.purse(2).unwrap()));
    // nobody works as nobody
    let beer = Request::Sale(vec![(BEER, 1)], 0);
    let body = beer.body(&bar.chance.request_id());
    assert_eq!(bar.refused(beer.path(), &body).await, "staff.not_logged_in");
    bar.post("/api/staff/log-in", &pin(BARTENDER)).await;
    bar.post("/api/shift/open", &json!({ "float_cents": FLOAT })).await;
    bar.green(&mut friend, Request::TopUp(20_000)).await;
    let (_, at_first) = bar.green(&mut victim, Request::TopUp(5_000)).await;
    let quota = bar.shop().await.quota_left_cents;

    // handed over, then taken back
    let (sold, _) = bar.green(&mut friend, Request::Sale(vec![(BEER, 2)], 0)).await;
    let undo = post::Undo { id: bar.chance.request_id(), entry: sold.clone(), supervisor: None };
    let undone = bar.post("/api/till/undo", &undo).await["entry"].as_str().unwrap().to_owned();
    let after_undo = bar.shop().await.quota_left_cents;
    assert_eq!(quota - after_undo, 2 * (BEER_CENTS + 100), "what was taken back uses up his quota");

    // handed over on "tap again", and never paid; then paid and "not handed over" after the plug was pulled
    let torn = bar.chance.request_id();
    let tapped = bar.till.tap(&mut victim, &beer, &torn, fault("leave after write 5").unwrap()).await.unwrap();
    assert!(matches!(tapped, Tapped::Again(_)), "{tapped:?}");
    let doubt = bar.till.view().await.unwrap().in_doubt.remove(0).entry;
    let served = |pin| post::HandedOver { entry: doubt.clone(), handed_over: true, pin };
    assert_eq!(bar.refused("/api/till/handed-over", &served(None)).await, "staff.wrong_pin");
    bar.post("/api/till/handed-over", &served(Some(pin(BARTENDER)))).await;
    bar.post("/api/till/cancel", &json!({})).await;
    assert!(bar.shop().await.quota_left_cents < after_undo, "served without payment uses up his quota");
    let (paid, _) = bar.green(&mut friend, beer.clone()).await;
    block_in_place(|| bar.till.kill().and_then(|()| bar.till.start())).unwrap();
    bar.post("/api/staff/log-in", &pin(BARTENDER)).await;
    let before = bar.shop().await.quota_left_cents;
    let asked = bar.till.view().await.unwrap().unconfirmed_paid;
    assert_eq!(asked.iter().map(|asked| &asked.entry).collect::<Vec<_>>(), [&paid], "only what nobody saw is asked");
    let not_given = post::HandedOver { entry: paid.clone(), handed_over: false, pin: None };
    bar.post("/api/till/handed-over", &not_given).await;
    assert!(bar.shop().await.quota_left_cents < before, "\"not handed over\" uses up his quota");

    // one beer charged twice: the band shows it each time; the same request again charges nothing
    let id = bar.chance.request_id();
    let once = bar.till.tap_until_over(&mut victim, &beer, &id, Vec::new()).await.unwrap();
    let again = bar.till.tap_until_over(&mut victim, &beer, &id, Vec::new()).await.unwrap();
    assert_eq!(once, again);
    let Tapped::Green(once) = once else { panic!("{once:?}") };
    let (twice, left) = bar.green(&mut victim, beer.clone()).await;
    assert_ne!(once.entry, twice);
    assert_eq!(left, once.balance_after_cents.unwrap() - BEER_CENTS - 100, "the guest is shown what is left");
    assert!(left < at_first);

    // to his friend's favour, and for nothing, until the quota is used up; then only with somebody's word
    world.wait_until_agreed(SOON).await.unwrap();
    let (dear, _) = bar.green(&mut friend, Request::Sale(vec![(2, 6)], 0)).await;
    let rest = u32::try_from(bar.shop().await.quota_left_cents).unwrap();
    let too_much = bar.correct(&dear, rest + 1, None);
    assert_eq!(bar.refused("/api/till/correct", &too_much).await, "till.correction_quota");
    let all_of_it = bar.correct(&dear, rest, None);
    let within = bar.post("/api/till/correct", &all_of_it).await["entry"].as_str().unwrap().to_owned();
    let free = bar.for_nothing(1);
    assert_eq!(bar.refused("/api/till/sale", &free).await, "till.correction_quota");
    let one_more = bar.correct(&dear, 100, Some(pin(BARTENDER)));
    assert_eq!(bar.refused("/api/till/correct", &one_more).await, "staff.not_supervisor");
    let confirmed = bar.correct(&dear, 100, Some(pin(SUPERVISOR)));
    let confirmed = bar.post("/api/till/correct", &confirmed).await["entry"].as_str().unwrap().to_owned();

    // a sale in training while cash changes hands, and cash that is not in the drawer when it is counted
    bar.post("/api/till/training", &json!({ "on": true })).await;
    bar.green(&mut victim, beer.clone()).await;
    bar.post("/api/till/training", &json!({ "on": false })).await;
    let out =
        post::Cash { id: bar.chance.request_id(), into_drawer: false, amount_cents: 2_000, reason: "change".into() };
    bar.post("/api/shift/cash", &out).await;
    let expected = i64::from(FLOAT) + 20_000 + 5_000 - 2_000;
    let counted = u32::try_from(expected - 3_000).unwrap();
    let closed = bar.post("/api/shift/close", &json!({ "counted_cents": counted })).await;
    assert_eq!((&closed["expected_cents"], &closed["difference_cents"]), (&json!(expected), &json!(-3_000)));
    // a new shift is a new quota: he may open one himself, and it stands there
    bar.post("/api/shift/open", &json!({ "float_cents": counted })).await;
    assert_eq!(bar.shop().await.quota_left_cents, quota);

    world.wait_until_agreed(SOON).await.unwrap();
    let journals = Journals::read(&world.hub.dir).unwrap();
    let named = |entry: &str| journals.named(entry).unwrap_or_else(|| panic!("{entry} is not at the hub"));
    for (entry, kind, supervisor) in [
        (&undone, Kind::CORRECTION_PLUS, 0),
        (&within, Kind::CORRECTION_PLUS, 0),
        (&confirmed, Kind::CORRECTION_PLUS, SUPERVISOR.0),
    ] {
        let entry = named(entry);
        assert_eq!((entry.kind, entry.operator), (kind, BARTENDER.0));
        let Ok(Detail::Correction(said)) = Detail::of(entry) else { panic!("{entry:?}") };
        assert_eq!(said.supervisor, supervisor, "{entry:?}");
    }
    for entry in [&sold, &paid, &once.entry, &twice, &dear] {
        assert_eq!((named(entry).kind, named(entry).operator), (Kind::SALE, BARTENDER.0), "{entry}");
    }
    let his = |kind| under(BARTENDER.0, kind, &journals);
    let refers =
        |kind, to: &str| his(kind).into_iter().any(|(_, e)| e.refers_to.is_some_and(|at| at.to_string() == to));
    assert!(refers(Kind::HANDED_OVER, &doubt), "served without payment");
    let owed = his(Kind::PENDING_CREDIT);
    let owed = owed.iter().filter(|(_, entry)| entry.refers_to.is_some_and(|at| at.to_string() == paid));
    assert_eq!(owed.map(|(_, entry)| entry.effect).collect::<Vec<_>>(), [Effect::Owe], "paid and \"not handed over\"");
    let training = his(Kind::SALE).into_iter().filter(|(_, entry)| entry.flags.has(Flags::TRAINING)).count();
    assert_eq!(training, 1, "what was sold in training is there, and marked");
    assert_eq!(his(Kind::CASH_MOVE).len(), 1);
    let closes = his(Kind::SHIFT_CLOSE);
    let Ok(Detail::ShiftClose(drawer)) = Detail::of(&closes[0].1) else { panic!("{closes:?}") };
    assert_eq!((closes[0].1.amount.get(), drawer.expected), (counted, expected), "what is missing in the drawer");
    assert_eq!(his(Kind::SHIFT_OPEN).len(), 2, "each new quota");
    assert!(his(Kind::STAFF_SESSION).len() >= 2);
    let nobodys = journals.all().filter(|(at, entry)| {
        let is_till = Some(at.device) == closes.first().map(|(at, _)| at.device);
        is_till && entry.operator == 0 && entry.amount.get() > 0
    });
    assert_eq!(nobodys.count(), 0, "no money moved at the till under nobody's number");
}
