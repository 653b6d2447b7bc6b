// What the bridge answers, and how it is asked. Times are UNIX seconds.

export type Value = number | string | boolean | null;

export interface Series {
  field: string;
  description: string | null;
  type: "number" | "string" | "bool" | null;
  units: string | null;
  interval: number | null;
  finalized_until: number | null;
  t: number[];
  values: Value[];
  notices: { severity: string; text: string }[];
  problem: { code: string; message: string } | null;
}

export interface Reply {
  start: number;
  end: number;
  stride: number;
  series: Series[];
}

export interface FieldFound {
  name: string;
  description: string | null;
  type: string;
  units: string | null;
  /** Whether its data server is away, and when that was last heard. */
  stale: boolean;
  seen: number | null;
}

export interface Newest {
  field: string;
  t: number | null;
  value: Value;
}

export interface Server {
  name: string;
  description: string | null;
  online: boolean | null;
  fields: number | null;
  answered: number | null;
  problem: string | null;
  joins: string[];
}

/** What happened at a time, or from one to another. */
export interface Happening {
  start: number;
  end: number | null;
  title: string;
  text: string;
}

export interface Servers {
  router: boolean;
  hub: boolean;
  nodes: Server[];
}

export type Parameters = [name: string, value: string][];

/** The bridge has said why it does not answer. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

const PATIENCE = 30_000;

let heard: (path: string) => void = () => {};

/** Have `act` done at each good answer. */
export function whenAnswered(act: (path: string) => void): void {
  heard = act;
}

export const address = (path: string, parameters: Parameters): string =>
  `api/v1/${path}?${new URLSearchParams(parameters)}`;

/** Ask, and take only a good answer. Throws `Refused`, or what fetch throws. */
export async function ask(path: string, parameters: Parameters, signal: AbortSignal): Promise<Response> {
  const reply = await fetch(address(path, parameters), {
    signal: AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)]),
  });
  if (!reply.ok) {
    const said = (await reply.json().catch(() => null)) as { error?: { code: string; message: string } } | null;
    throw new Refused(reply.status, said?.error?.code ?? "", said?.error?.message ?? `the bridge says ${reply.status}`);
  }
  heard(path);
  return reply;
}

const asFields = (fields: string[]): Parameters => fields.map((field) => ["field", field]);

export async function data(fields: string[], how: Parameters, signal: AbortSignal): Promise<Reply> {
  return (await ask("data", [...asFields(fields), ...how], signal)).json() as Promise<Reply>;
}

export async function happenings(start: number, end: number, signal: AbortSignal): Promise<Happening[]> {
  const how: Parameters = [["from", start.toFixed(6)], ["to", end.toFixed(6)]];
  return ((await (await ask("annotations", how, signal)).json()) as { annotations: Happening[] }).annotations;
}

/** The newest sample of each field, of the last `within` where that is given. */
export async function newest(fields: string[], within: string | undefined, signal: AbortSignal): Promise<Newest[]> {
  const how: Parameters = within ? [["within", within]] : [];
  const reply = (await (await ask("at", [...asFields(fields), ...how], signal)).json()) as { values: Newest[] };
  return reply.values;
}

export async function table(fields: string[], how: Parameters, signal: AbortSignal): Promise<Blob> {
  return (await ask("data", [...asFields(fields), ...how, ["format", "csv"]], signal)).blob();
}

export async function search(words: string, most: number, signal: AbortSignal): Promise<{ total: number; fields: FieldFound[] }> {
  const found = await ask("fields", [["match", words.trim()], ["limit", String(most)]], signal);
  return found.json() as Promise<{ total: number; fields: FieldFound[] }>;
}

export async function servers(signal: AbortSignal): Promise<Servers> {
  return (await ask("nodes", [], signal)).json() as Promise<Servers>;
}
