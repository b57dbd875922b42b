// Times and ages for display.

/** Hour and minute of a moment, with the weekday when it is not within the last twelve hours. */
export function clock(unixMs, lang) {
  const far = Math.abs(Date.now() - unixMs) > 12 * 3_600_000;
  const parts = { hour: "2-digit", minute: "2-digit", hourCycle: "h23", ...(far ? { weekday: "short" } : {}) };
  return new Intl.DateTimeFormat(lang, parts).format(new Date(unixMs));
}

/** Day, hour and minute of a moment, for what is looked at days later. */
export function moment(unixMs, lang) {
  const parts = { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  return new Intl.DateTimeFormat(lang === "en" ? "en-GB" : lang, parts).format(new Date(unixMs));
}

/** The text key and count of an age in seconds. */
export function age(seconds) {
  if (seconds < 60) return { key: "age-seconds", count: Math.floor(seconds) };
  if (seconds < 3600) return { key: "age-minutes", count: Math.floor(seconds / 60) };
  if (seconds < 86400) return { key: "age-hours", count: Math.floor(seconds / 3600) };
  return { key: "age-days", count: Math.floor(seconds / 86400) };
}

/** `fresh` under a minute, `ageing` under a quarter of an hour, else `old`. */
export function freshness(seconds) {
  if (seconds === null || seconds === undefined) return "old";
  if (seconds < 60) return "fresh";
  return seconds < 900 ? "ageing" : "old";
}
