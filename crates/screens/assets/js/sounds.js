// A sound of its own for each verdict. Browsers allow sound only after a touch: the button says so.
import { t } from "./texts.js";
import { byId } from "./dom.js";

/** Notes as [hertz, start in ms, length in ms, wave]. */
const TUNES = {
  ok: [[880, 0, 110, "sine"], [1320, 120, 200, "sine"]],
  paid: [[660, 0, 90, "sine"], [880, 95, 90, "sine"], [1320, 190, 220, "sine"]],
  repeat: [[330, 0, 160, "square"], [330, 230, 160, "square"], [330, 460, 160, "square"]],
  no: [[140, 0, 800, "sawtooth"]],
  full: [[440, 0, 250, "triangle"], [330, 280, 250, "triangle"], [220, 560, 400, "triangle"]],
  care: [[520, 0, 150, "triangle"], [390, 170, 150, "triangle"], [520, 340, 250, "triangle"]],
  unknown: [[250, 0, 120, "square"], [190, 160, 240, "square"]],
};
let context;

/** Readies the sound button and unlocks sound at the first touch. */
export function readySounds() {
  const button = byId("sound");
  const unlock = async () => {
    context ??= new AudioContext();
    await context.resume();
    if (button) {
      button.textContent = t("sound-is-on");
      button.setAttribute("aria-pressed", "true");
    }
  };
  addEventListener("pointerdown", unlock, { once: true });
  addEventListener("keydown", unlock, { once: true });
}

/** Plays the sound of a verdict; silent before the first touch. */
export function play(kind) {
  if (context?.state !== "running") return;
  for (const [hertz, startMs, lengthMs, wave] of TUNES[kind] ?? TUNES.unknown) {
    const tone = context.createOscillator();
    const loudness = context.createGain();
    const start = context.currentTime + startMs / 1000;
    const end = start + lengthMs / 1000;
    tone.type = wave;
    tone.frequency.value = hertz;
    loudness.gain.setValueAtTime(0.0001, start);
    loudness.gain.exponentialRampToValueAtTime(0.5, start + 0.01);
    loudness.gain.exponentialRampToValueAtTime(0.0001, end);
    tone.connect(loudness).connect(context.destination);
    tone.start(start);
    tone.stop(end);
  }
}
