//! `staff`.
use domain::staff::StaffRoles;
use provisioning::{
    Failure, Festival, Lang, files,
    staff::{StaffPlan, new_member},
};
use serde_json::json;
use zeroize::Zeroizing;

use super::{
    Said,
    args::{StaffNew, StaffRoleName},
};

fn roles(names: &[StaffRoleName]) -> StaffRoles {
    let role = |name: &StaffRoleName| match name {
        StaffRoleName::Gate => StaffRoles::GATE,
        StaffRoleName::Bar => StaffRoles::BAR,
        StaffRoleName::TopUp => StaffRoles::TOP_UP,
        StaffRoleName::Supervisor => StaffRoles::SUPERVISOR,
        StaffRoleName::Manager => StaffRoles::MANAGER,
    };
    names.iter().map(role).fold(StaffRoles::default(), StaffRoles::and)
}

pub(super) fn new(new: StaffNew, lang: Lang) -> Result<Said, Failure> {
    let festival = Festival::open(&new.festival)?;
    let pin = Zeroizing::new(files::read_text(&new.pin_file)?);
    let roles = roles(&new.role);
    let plan = StaffPlan { number: new.number, name: new.name, roles, zones: new.zones };
    new_member(&festival, &plan, pin.trim_end_matches(['\r', '\n']), &new.out)?;
    let file = new.out.display();
    let text = lang.pick(
        format!(
            "{} (n° {}) dans {file}.\nPosez ce fichier dans le dossier staff/ du hub avant de le démarrer, ou envoyez-le à POST /api/documents/edit. Effacez ensuite le fichier du code.",
            plan.name, plan.number
        ),
        format!(
            "{} (no. {}) in {file}.\nPut this file into the hub's folder staff/ before you start it, or send it to POST /api/documents/edit. Then delete the PIN's file.",
            plan.name, plan.number
        ),
    );
    let is_manager = roles.has(StaffRoles::MANAGER);
    Ok(Said::done(json!({ "file": new.out, "number": plan.number, "manager": is_manager }), text))
}
