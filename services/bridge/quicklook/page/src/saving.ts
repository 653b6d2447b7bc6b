// CSV files of what is looked at.

import { type Parameters, table } from "./api";
import type { Span } from "./columns";
import { iso } from "./ranges";
import { plain } from "./samples";
import { element } from "./words";

/** Save the samples of the span: the points that are drawn, or every one; `tell` hears what went wrong. */
export async function save(
  fields: string[],
  span: Span | undefined,
  whole: boolean,
  tell: (sentence: string, bad?: boolean) => void,
): Promise<void> {
  if (!fields.length || !span) return tell("Choose a field first; then its samples can be saved.");
  tell("Fetching the samples …");
  const how: Parameters = [["from", span.start.toFixed(6)], ["to", span.end.toFixed(6)]];
  if (!whole) how.push(["stride", plain(span.stride)]);
  const name = [span.start, span.end].map((t) => iso(Math.round(t)).replace(/\D/g, ""));
  try {
    const content = await table(fields, how, AbortSignal.timeout(60_000));
    const link = element("a", {
      href: URL.createObjectURL(content),
      download: `${["quicklook", ...name, ...(whole ? ["all"] : [])].join("-")}.csv`,
    });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    tell("");
  } catch (error) {
    tell(`▲ No CSV: ${(error as Error).message}`);
  }
}
