// Which data servers are online, when each last answered, and what is wrong with it.

import { type Server, type Servers, servers } from "./api";
import { ago, element, found } from "./words";

export class Status {
  private readonly summary = found("servers-summary");
  private readonly body = found("servers-body");
  private known: Servers | undefined;
  private lost = false;

  constructor(private readonly choose: (server: string) => void) {}

  /** Ask once more; `now` gives the bridge's time. */
  async refresh(signal: AbortSignal, now: () => number): Promise<void> {
    try {
      this.known = await servers(signal);
    } catch {
      if (signal.aborted) return;
      this.lost = true;
      this.summary.textContent = "▲ the bridge does not answer";
      this.summary.className = "bad";
      return;
    }
    this.lost = false;
    this.summarize(this.known);
    this.body.replaceChildren(...this.known.nodes.map((node) => this.row(node, now())));
  }

  /** The bridge has answered something; say whether it was said not to, which is not said any more. */
  regain(): boolean {
    if (!this.lost) return false;
    this.lost = false;
    this.summary.textContent = "asking the servers …";
    this.summary.className = "";
    return true;
  }

  private summarize({ router, hub, nodes }: Servers): void {
    const online = nodes.filter((node) => node.online).length;
    const ailing = nodes.filter((node) => node.online && node.problem).length;
    const troubles = [
      router ? "" : "the router is away",
      router && !hub ? "the hub does not answer" : "",
      ailing ? `${ailing} with a problem` : "",
    ].filter(Boolean);
    const good = !troubles.length && online === nodes.length;
    // Only the hub knows who is online.
    const count = hub ? `${online} of ${nodes.length} servers online` : `${nodes.length} servers`;
    this.summary.textContent = [`${good ? "●" : "▲"} ${count}`, ...troubles].join(", ");
    this.summary.className = good ? "good" : "bad";
  }

  /** Whether a field's server is online; one that is not known is not called offline. */
  online(field: string): boolean {
    const name = field.split("::")[0];
    return this.known?.nodes.find((node) => node.name === name)?.online ?? true;
  }

  private row(node: Server, now: number): HTMLTableRowElement {
    const joined = node.joins.length > 0;
    const [mark, word] =
      node.online === null ? ["▲", "unknown"]
      : !node.online ? ["▲", "offline"]
      : node.problem ? ["▲", "problem"]
      : ["●", "online"];
    const told = node.online === false && node.fields ? "its fields are remembered, their values are stale" : "";
    const button = element("button", { type: "button", class: "link", title: "Show its fields" }, node.name);
    button.addEventListener("click", () => this.choose(node.name));
    return element(
      "tr",
      {},
      element("th", { scope: "row" }, button),
      element("td", { class: mark === "●" ? "good" : "bad" }, `${mark} ${word}`),
      element("td", {}, node.fields === null ? "" : String(node.fields)),
      element("td", {}, joined ? "" : node.answered === null ? "not asked yet" : ago(now - node.answered)),
      element("td", {}, node.problem ?? (told || (node.description ?? ""))),
    );
  }
}
