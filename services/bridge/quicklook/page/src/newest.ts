// The newest value of each field, whatever range is looked at.

import { newest as ask, type Value } from "./api";
import type { Column } from "./columns";

export interface Newest {
  t: number;
  value: Value;
}

/** How far to look back for a value newer than the one that is known. */
const WITHIN = "1d";

/** The last samples drawn, of fields that have one; thinning leaves the newest as it is. */
export function drawnLast(columns: Map<string, Column>): Map<string, Newest> {
  const last = new Map<string, Newest>();
  for (const [field, { series }] of columns) {
    const place = series.values.findLastIndex((value) => value !== null);
    const [t, value] = [series.t[place], series.values[place]];
    if (t !== undefined && value !== undefined) last.set(field, { t, value });
  }
  return last;
}

/** Ask for the newest samples; of fields of which none is `known`, however old they are. */
export async function asked(
  fields: string[],
  known: (field: string) => boolean,
  signal: AbortSignal,
): Promise<Map<string, Newest>> {
  const last = new Map<string, Newest>();
  for (const within of [WITHIN, undefined]) {
    const some = fields.filter((field) => known(field) === (within !== undefined));
    for (const { field, t, value } of some.length ? await ask(some, within, signal) : [])
      if (t !== null) last.set(field, { t, value });
  }
  return last;
}
