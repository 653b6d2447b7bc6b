// Time ranges as people write them, and as the bridge reads them: two texts each, such as "-2h" and "now". UTC.

export interface Range {
  from: string;
  to: string;
}

const UNITS: Record<string, number> = { ms: 1e-3, s: 1, m: 60, h: 3600, d: 86400, w: 604800 };

const WORDS: Record<string, string> = {
  second: "s", sec: "s", minute: "m", min: "m", hour: "h", hr: "h", day: "d", week: "w", month: "30d", year: "365d",
};
const SHORT = String.raw`\d+(?:\.\d+)?(?:ms|[smhdw])`;
const DURATION = new RegExp(String.raw`^(?:${SHORT})+$`);
const BETWEEN = /\s+(?:to|until|till|and)\s+|\s*(?:\.\.+|–|—)\s*|\s+-\s+/;
const DATE = /^(\d{4})-(\d{1,2})-(\d{1,2})$/;
const CLOCK = /^(\d{1,2}):(\d{2})(?::(\d{2}(?:\.\d+)?))?$/;
const ISO = /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})?$/;

export class NotATime extends Error {
  constructor(text: string) {
    super(`“${text}” is no time range; write last 2 hours, yesterday, 2026-01-31, or 2026-01-31 08:00 to 12:00 (UTC)`);
  }
}

/** The end is not after the begin. */
export class Backwards extends Error {
  constructor(text: string) {
    super(`“${text}” does not end after it begins; write the earlier time first, as in 2026-01-31 08:00 to 12:00 (UTC)`);
  }
}

/** Nobody has measured for so long. */
export class TooLong extends Error {
  constructor(text: string) {
    super(`“${text}” is longer than ${MOST_YEARS} years; write a shorter range, such as last 2 years`);
  }
}

const MOST_YEARS = 100;
const DAY = 86400;

/** Read a range; `now` is UNIX seconds. Throws `NotATime`, `Backwards` or `TooLong`. */
export function readRange(text: string, now: number): Range {
  const range = readEnds(text, now);
  const length = secondsOf(range.to, now) - secondsOf(range.from, now);
  if (!Number.isFinite(length)) throw new NotATime(text);
  if (length <= 0) throw new Backwards(text);
  if (length > MOST_YEARS * 365.25 * DAY) throw new TooLong(text);
  return range;
}

function readEnds(text: string, now: number): Range {
  const said = text.trim().toLowerCase().replace(/^(?:from|between)\s+/, "");
  const length = duration(said.replace(/^(?:the\s+)?(?:last|past)\s+|^-\s*/, ""));
  if (length) return { from: `-${length}`, to: "now" };
  const since = said.startsWith("since ");
  const [first, second, more] = (since ? said.slice(6) : said).split(BETWEEN);
  if (!first || more !== undefined) throw new NotATime(text);
  if (second !== undefined || since) {
    const from = point(first, now, undefined) ?? fail(text);
    const to = second === undefined ? NOW : (point(second, now, from.day) ?? fail(text));
    return overnight(from, to, CLOCK.test(first), first.includes(":") && CLOCK.test(second ?? ""), now);
  }
  const single = point(first, now, undefined);
  // A day is a range of its own; of a moment it is not known how long it is.
  if (!single || single.start === single.end) throw new NotATime(text);
  return { from: single.start, to: single.end };
}

/** A clock time that would be before the begin is of the next day; a begin without a day is never in the future for that. */
function overnight(from: Point, to: Point, anyBegin: boolean, anyEnd: boolean, now: number): Range {
  let [start, end] = [secondsOf(from.start, now), secondsOf(to.end, now)];
  const later = anyEnd && end < start ? DAY : 0;
  const earlier = anyBegin && (later ? end + later > now : to.end === "now" && start > now) ? DAY : 0;
  if (!later && !earlier) return { from: from.start, to: to.end };
  start -= earlier;
  end += later && later - earlier;
  return { from: iso(start), to: to.end === "now" ? "now" : iso(end) };
}

function fail(text: string): never {
  throw new NotATime(text);
}

/** A duration as the bridge writes it, "1h30m"; of words, too: "2 hours", "an hour". */
function duration(said: string): string | undefined {
  const text = said
    .replace(/\b(?:an?|one)\b/g, "1")
    .replace(/^(?=[a-z])/, "1")
    .replace(/(\d)\s*([a-z]+)/g, (whole, digit: string, word: string) => {
      const unit = WORDS[word.replace(/s$/, "")];
      return unit === undefined ? whole : unit.length > 1 ? `${digit}*${unit}` : digit + unit;
    })
    .replace(/\s+|,|\band\b/g, "")
    .replace(/(\d+(?:\.\d+)?)\*(\d+)d/g, (_, count: string, days: string) => `${Number(count) * Number(days)}d`);
  return DURATION.test(text) ? text : undefined;
}

interface Point {
  start: string;
  end: string;
  /** Begin of the day that a clock time after it belongs to, UNIX seconds. */
  day: number;
}

const NOW: Point = { start: "now", end: "now", day: NaN };

function point(said: string, now: number, day: number | undefined): Point | undefined {
  const today = Math.floor(now / 86400) * 86400;
  if (said === "now") return { start: "now", end: "now", day: today };
  if (/^[-+]/.test(said)) {
    const length = duration(said.slice(1));
    return length ? { start: said[0] + length, end: said[0] + length, day: today } : undefined;
  }
  const ago = /^(.*)\s+ago$/.exec(said);
  if (ago) return point(`-${ago[1]}`, now, day);
  if (ISO.test(said.toUpperCase()) && !/^\S+ \S+$/.test(said)) return instant(Date.parse(zoned(said.toUpperCase())) / 1e3);
  const [first = "", clock, more] = said.split(/\s+(?:at\s+)?/);
  if (more !== undefined) return undefined;
  const named = dayOf(first, today);
  if (named === undefined) return clock === undefined ? timeOf(first, day ?? today) : undefined;
  if (clock !== undefined) return timeOf(clock, named);
  return { start: iso(named), end: named === today ? "now" : iso(named + 86400), day: named };
}

const zoned = (text: string): string => (/(?:Z|[+-]\d{2}:\d{2})$/.test(text) ? text : `${text}Z`);

function instant(t: number): Point | undefined {
  return Number.isFinite(t) ? { start: iso(t), end: iso(t), day: Math.floor(t / 86400) * 86400 } : undefined;
}

function dayOf(word: string, today: number): number | undefined {
  if (word === "today") return today;
  if (word === "yesterday") return today - 86400;
  const date = DATE.exec(word);
  if (!date) return undefined;
  const [year, month, day] = [Number(date[1]), Number(date[2]), Number(date[3])];
  const t = Date.UTC(year, month - 1, day);
  return new Date(t).getUTCDate() === day && month >= 1 && month <= 12 ? t / 1e3 : undefined;
}

function timeOf(word: string, day: number): Point | undefined {
  const clock = CLOCK.exec(word);
  if (!clock || Number(clock[1]) > 24 || Number(clock[2]) > 59) return undefined;
  return instant(day + Number(clock[1]) * 3600 + Number(clock[2]) * 60 + Number(clock[3] ?? 0));
}

/** UNIX seconds as the bridge reads them, to the millisecond, and no longer than needed. */
export function iso(t: number): string {
  return new Date(Math.round(t * 1e3)).toISOString().replace(/\.000Z$/, "Z");
}

/** UNIX seconds of one end of a range, as the bridge reads it; NaN when it does not. */
export function secondsOf(text: string, now: number): number {
  if (text === "now") return now;
  text = text.replace(/^now\s*(?=[-+])/, "");
  if (/^\d{9,12}(?:\.\d*)?$/.test(text)) return Number(text);
  if (!/^[-+]/.test(text)) return Date.parse(/:/.test(text) ? zoned(text.replace(" ", "T")) : text) / 1e3;
  let seconds = 0;
  for (const [, count, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhdw])/g)) seconds += Number(count) * (UNITS[unit ?? ""] ?? NaN);
  return text.startsWith("-") ? now - seconds : now + seconds;
}

const RELATIVE = /^-((?:\d+(?:\.\d+)?(?:ms|[smhdw]))+)$/;
const LONG: Record<string, string> = { ms: "millisecond", s: "second", m: "minute", h: "hour", d: "day", w: "week" };

/** Times that have a year of four digits, UNIX seconds. */
const [EARLIEST, LATEST] = [-62167219200, 253402300799];

/** A range in words; what it says is read again as the same range. */
export function inWords({ from, to }: Range): string {
  const length = RELATIVE.exec(from)?.[1];
  const single = /^(\d+(?:\.\d+)?)(ms|[smhdw])$/.exec(length ?? "");
  if (length && to === "now")
    return single ? `last ${single[1]} ${LONG[single[2] ?? ""]}${single[1] === "1" ? "" : "s"}` : `last ${length}`;
  const [begin, end] = [clockOf(from), clockOf(to)];
  if (begin.length > 1 && begin[0] === end[0] && end.length > 1) return `${begin.join(" ")} to ${end[1]}`;
  return `${begin.join(" ")} to ${end.join(" ")}`;
}

function clockOf(text: string): string[] {
  const t = secondsOf(text, NaN);
  if (!(t >= EARLIEST && t <= LATEST)) return [text];
  const [day = "", clock = ""] = new Date(t * 1e3).toISOString().slice(0, -1).split("T");
  return [day, clock.replace(/\.000$/, "").replace(/(\.\d+?)0+$/, "$1").replace(/(:\d\d):00$/, "$1")];
}
