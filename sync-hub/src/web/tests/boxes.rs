//! Which boxes and groups of boxes the hub takes, and what it says of the others.
use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_box_that_was_revoked_before_it_was_heard_and_one_with_numbers_of_another_are_told_so_at_their_first_hello() {
    let site = site().await;
    let (first, stolen) = (SampleBox::new(20, Roles(7)), SampleBox::new(21, Roles(7)));
    let mut good = Peer::connect(&site, &first).await;
    good.until(|frame| matches!(frame, Frame::Heads(_)).then_some(())).await;
    let unheard = json!({ "number": 21, "reason": "stolen" });
    let (status, body) = site.ask(Method::POST, "/api/boxes/revoke", Some(unheard.clone())).await;
    assert_eq!((status, &body["code"]), (StatusCode::NOT_FOUND, &json!("hub.not_found")));
    for wrong in [json!({}), json!({ "device": "21" }), json!({ "number": 21, "chain": "00" })] {
        let (status, _) = site.ask(Method::POST, "/api/boxes/revoke", Some(wrong)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
    }
    let mut named = unheard;
    named["chain"] = json!(domain::wire::hex(&stolen.chain.to_bytes()));
    let (status, body) = site.ask(Method::POST, "/api/boxes/revoke", Some(named)).await;
    assert_eq!((status, &body["devices"]), (StatusCode::OK, &json!([stolen.device.to_string()])));
    let mut peer = Peer::connect(&site, &stolen).await;
    let refusal = |frame: &Frame| if let Frame::Refuse(refuse) = frame { Some(refuse.clone()) } else { None };
    assert_eq!(peer.until(refusal).await.code, RefuseCode::Revoked.number());

    let mut second = SampleBox::new(22, Roles(7));
    second.chain = sample::device_chain(22, Roles(7), (18, 20));
    let refused = Peer::connect(&site, &second).await.until(refusal).await;
    assert_eq!(refused.code, RefuseCode::Chain.number());
    assert!(refused.text.contains("18 to 20") && refused.text.contains("Place 20"), "{}", refused.text);
    let shown = tokio::time::timeout(Duration::from_secs(20), async {
        while site.get("/api/state").await["notices"][0]["code"] != "hub.number_twice" {
            tokio::task::yield_now().await;
        }
    });
    shown.await.expect("the console names it");
    // it was enrolled again
    second.chain = sample::device_chain(22, Roles(7), (30, 37));
    Peer::connect(&site, &second).await.until(|frame| matches!(frame, Frame::Heads(_)).then_some(())).await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn which_lan_lists_were_not_taken_is_answered_and_only_the_term_that_holds_is_confirmed() {
    let site = site().await;
    std::fs::create_dir_all(site.dir.path().join("lan")).unwrap();
    let lay = |boxes: &[u8]| {
        let voter = |n: &u8| domain::lan::Voter { device: domain::id::DeviceId([*n; 16]), votes: 1 };
        let list = domain::lan::VoterList { version: 1, voters: boxes.iter().map(voter).collect() };
        let broker = "10.0.0.5:1883".into();
        let group = domain::lan::LanGroup { number: 5, broker, copies: 1, list, previous: None };
        std::fs::write(site.dir.path().join("lan/5.cbor"), domain::wire::to_cbor(&group)).unwrap();
    };
    lay(&[1, 2]);
    let (_, taken) = site.ask(Method::POST, "/api/lan/adopt", Some(json!({}))).await;
    let group = |taken: &Value| (taken["groups"][0]["boxes"].clone(), taken["groups"][0]["refused"].clone());
    assert_eq!(group(&taken), (json!(2), Value::Null));
    lay(&[1, 2, 3]);
    std::fs::write(site.dir.path().join("lan/6.cbor"), "no group").unwrap();
    let (_, taken) = site.ask(Method::POST, "/api/lan/adopt", Some(json!({}))).await;
    assert_eq!((group(&taken), &taken["passed_over"]), ((json!(2), json!("hub.lan_version")), &json!(["6.cbor"])));
    for lang in ["message_fr", "message_en"] {
        let text = taken["groups"][0][lang].as_str().unwrap();
        assert!(text.contains('5') && text.contains("provision lan group") && !text.contains('?'), "{text}");
    }
    let (status, body) = site.ask(Method::POST, "/api/restored/confirm", Some(json!({ "term": 7 }))).await;
    assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &json!("hub.restored_again")));
    site.hub.stop().await;
}
