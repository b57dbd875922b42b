//! `ticket-key`.
use provisioning::{Failure, Festival, Lang, ticket_key::new_ticket_key};
use serde_json::json;

use super::{Said, args::TicketKeyNew};

pub(super) fn new(new: &TicketKeyNew, lang: Lang) -> Result<Said, Failure> {
    let festival = Festival::open(&new.festival)?;
    let made = new_ticket_key(&festival, &new.out, (new.valid_from, new.valid_until))?;
    let (id, key, chain) = (made.id.to_hex(), made.key.display(), made.chain.display());
    let text = lang.pick(
        format!(
            "Clé de billets {id} dans {key} et {chain}.\nPosez les deux fichiers dans le dossier ticket-keys/ du hub, puis « Prendre les nouvelles clés » sur sa console. Laissez aux portes le temps d'entendre le hub avant de la faire émettre. Effacez ensuite les autres copies de la clé."
        ),
        format!(
            "Ticket key {id} in {key} and {chain}.\nPut both files into the hub's folder ticket-keys/, then \"Take up new keys\" on its console. Give the gates time to hear the hub before you let it issue. Then delete every other copy of the key."
        ),
    );
    let json = json!({
        "id": id,
        "key": made.key,
        "chain": made.chain,
        "valid_from": new.valid_from,
        "valid_until": new.valid_until,
    });
    Ok(Said::done(json, text))
}
