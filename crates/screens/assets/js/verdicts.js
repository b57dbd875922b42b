// How a verdict looks and sounds: six shapes, each with its own colour, headline and sound.
// Invariant: no two shapes differ by colour alone.

/** Shapes other than `no` (octagon with a cross). */
const SHAPES = new Map();
const on = (code, shape) => SHAPES.set(code, shape);
on("ticket.already_used", "repeat");
on("ticket.already_inside", "repeat");
on("zone.full", "full");
on("zone.full_here", "full");
on("zone.no_share", "full");
on("zone.not_yet_open", "care");
on("zone.closed", "care");
on("staff.zone_not_allowed", "care");
on("band.no_ticket", "unknown");
on("ticket.already_paired", "repeat");
on("ticket.not_yet_valid", "care");
on("ticket.zone_not_allowed", "care");
on("ticket.product_not_allowed", "care");
on("ticket.disputed", "care");
on("ticket.is_a_voucher", "care");
on("gate.journal_closed", "care");
on("gate.claimed_elsewhere", "care");
on("gate.time_uncertain", "care");
on("gate.stale_knowledge", "care");
on("ticket.key_not_yet_valid", "care");
on("ticket.unreadable", "unknown");
on("ticket.too_long", "unknown");
on("ticket.unknown_scheme", "unknown");
on("ticket.not_canonical", "unknown");
on("ticket.unknown_key", "unknown");
on("ticket.newer_software", "unknown");
on("band.random_uid", "unknown");
on("band.unsupported", "unknown");
on("band.ultralight_c", "unknown");
on("band.not_ours", "unknown");
on("band.keys_missing", "care");
on("band.keys_retired", "unknown");
on("band.unusable", "unknown");
on("band.credit_torn", "care");
on("band.frozen", "unknown");
on("till.in_doubt", "care");
on("till.earlier_in_doubt", "care");
on("band.wrong_band", "care");
on("till.not_this_band", "care");
on("till.given_up", "care");
on("till.supervisor", "care");

/** The shape of a refusal: `repeat`, `full`, `care`, `unknown` or `no`. */
export function shapeOf(code) {
  return SHAPES.get(code) ?? "no";
}

const SVG = "http://www.w3.org/2000/svg";
const PATHS = {
  ok: ["M50 3a47 47 0 1 1 0 94a47 47 0 1 1 0-94z", "M27 52l16 17l31-37"],
  repeat: ["M36 16a34 34 0 1 1 0 68a34 34 0 1 1 0-68zM64 16a34 34 0 1 1 0 68a34 34 0 1 1 0-68z", "M38 42c0-19 25-19 25 0c0 10-25 14-25 27h26"],
  no: ["M30 3h40l27 27v40l-27 27h-40l-27-27v-40z", "M32 32l36 36M68 32l-36 36"],
  care: ["M50 5l47 88h-94z", "M50 36v28M50 77v3"],
  unknown: ["M8 8h84v84h-84z", "M35 38c0-20 30-20 30 0c0 14-15 12-15 27M50 78v3"],
  full: ["M50 3l46 34l-18 56h-56l-18-56z", "M28 62h44M28 48h44M28 76h44"],
  wait: ["M50 3a47 47 0 1 1 0 94a47 47 0 1 1 0-94z", "M50 26v25l17 12"],
};

/** `<verdict-shape kind="ok">`: the sign alone, drawn in the page's colours. */
class VerdictShape extends HTMLElement {
  static observedAttributes = ["kind"];

  attributeChangedCallback() {
    const paths = PATHS[this.getAttribute("kind")] ?? PATHS.unknown;
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", "0 0 100 100");
    svg.setAttribute("aria-hidden", "true");
    for (const [index, line] of paths.entries()) {
      const path = document.createElementNS(SVG, "path");
      path.setAttribute("d", line);
      path.setAttribute("class", index === 0 ? "plate" : "sign");
      svg.append(path);
    }
    this.replaceChildren(svg);
  }
}
customElements.define("verdict-shape", VerdictShape);
