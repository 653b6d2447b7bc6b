// Which data servers are online, when each last answered, and what is wrong with it.

import { type Server, type Servers, servers } from "./api";
import { ago, element, found } from "./words";

export class Status {
  private readonly summary = found("servers-summary");
  private readonly body = found("servers-body");
  private known: Servers | undefined;

  constructor(private readonly choose: (server: string) => void) {}

  /** Ask once more; `now` gives the bridge's time. */
  async refresh(signal: AbortSignal, now: () => number): Promise<void> {
    try {
      this.known = await servers(signal);
    } catch {
      if (signal.aborted) return;
      this.summary.textContent = "▲ the bridge does not answer";
      this.summary.className = "bad";
      return;
    }
    const { router, hub, nodes } = this.known;
    const online = nodes.filter((node) => node.online).length;
    const ailing = nodes.filter((node) => node.online && node.problem).length;
    const troubles = [
      router ? "" : "the router is away",
      router && !hub ? "the hub does not answer" : "",
      ailing ? `${ailing} with a problem` : "",
    ].filter(Boolean);
    const good = !troubles.length && online === nodes.length;
    this.summary.textContent = [`${good ? "●" : "▲"} ${online} of ${nodes.length} servers online`, ...troubles].join(", ");
    this.summary.className = good ? "good" : "bad";
    this.body.replaceChildren(...nodes.map((node) => this.row(node, now())));
  }

  /** Whether a field's server is online; one that is not known is not called offline. */
  online(field: string): boolean {
    const name = field.split("::")[0];
    return this.known?.nodes.find((node) => node.name === name)?.online ?? true;
  }

  private row(node: Server, now: number): HTMLTableRowElement {
    const joined = node.joins.length > 0;
    const [mark, word] = !node.online ? ["▲", "offline"] : node.problem ? ["▲", "problem"] : ["●", "online"];
    const told = node.online || !node.fields ? "" : "its fields are remembered, their values are stale";
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
