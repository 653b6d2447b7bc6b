// Quicklook: the view, and what happens when somebody changes it or time goes on.

import { Refused, whenAnswered } from "./api";
import { Events } from "./events";
import { asked, drawnLast, type Newest } from "./newest";
import { type Panel, panelsOf, Plot } from "./plot";
import { plain, Samples } from "./samples";
import { save } from "./saving";
import { Search } from "./search";
import { Status } from "./status";
import { Tile } from "./tile";
import { Toolbar } from "./toolbar";
import { Travel } from "./travel";
import { isLive, readView, type View, writeView } from "./view";
import { clock, found } from "./words";

const MOST_FIELDS = 28;
/** More could not be told apart, and would have to come down the line. */
const POINTS_PER_PIXEL = 0.6;
const STATUS_SECONDS = 15;
const NEWEST_SECONDS = 5;
/** A live range is refreshed so many times while it passes once, but not more often than each two seconds. */
const REFRESHES = 400;
const LEAST_SECONDS = 2;
const MOST_SECONDS = 60;
const RETRY_SECONDS = 5;
/** Answers to a request that would have the same answer again. */
const FINAL = [400, 413, 414];

class Quicklook {
  private view: View = readView(location.hash);
  private readonly samples = new Samples();
  private readonly search = new Search((field) => this.view.fields.includes(field), (field) => this.toggle(field));
  private readonly travel = new Travel({
    range: () => this.view.range,
    span: () => this.samples.span,
    go: (range) => this.change({ range }),
    show: (start, end) => this.plots.forEach((plot) => plot.preview(start, end)),
    point: (t) => this.tiles.forEach((tile) => tile.point(t)),
    draw: () => this.draw(),
  });
  private readonly toolbar = new Toolbar({
    moves: this.travel,
    range: (range) => this.change({ range }),
    split: () => this.change({ apart: !this.view.apart }, true),
    save: (whole) => save(this.view.fields, this.samples.span, whole, this.tell),
    find: () => this.search.focus(),
    repaint: () => this.draw(true),
    now: () => this.samples.now(),
  });
  private readonly status = new Status((server) => this.search.lookFor(`${server}::`));
  private readonly events = new Events();
  private readonly tiles = new Map<string, Tile>();
  private plots: Plot[] = [];
  private asking = new AbortController();
  private readonly whole = new AbortController();
  private busy = false;
  /** Whether the span drawn is that of the view. */
  private loaded = false;
  /** Why the plots are not those of the view, or not of now. */
  private trouble: "none" | "away" | "refused" = "none";
  private refreshed = 0;
  /** When samples last came, by the bridge's clock. */
  private fetched = 0;
  /** Fields that no data server has given, as one text. */
  private missing = "";
  private toldNewest = 0;
  private toldStatus = 0;

  start(): void {
    addEventListener("hashchange", () => this.take(readView(location.hash)));
    addEventListener("popstate", () => this.take(readView(location.hash)));
    new ResizeObserver(() => this.plots.forEach((plot) => plot.resize())).observe(found("plots"));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw(true));
    whenAnswered((path) => {
      if (path !== "nodes" && this.status.regain()) void this.askServers();
    });
    this.showView();
    found<HTMLDetailsElement>("servers").open = !this.view.fields.length;
    void this.load();
    setInterval(() => void this.tick(), 500);
    document.addEventListener("visibilitychange", () => void this.tick());
  }

  // -- what a person does -------------------------------------------------------------------------------------------

  private toggle(field: string): void {
    const fields = this.view.fields;
    if (fields.includes(field)) this.change({ fields: fields.filter((each) => each !== field) });
    else if (fields.length < MOST_FIELDS) this.change({ fields: [...fields, field] });
    else this.tell(`${MOST_FIELDS} fields are the most of one view; remove one first`);
  }

  // -- the view -----------------------------------------------------------------------------------------------------

  /** Go to a view that can be come back from; false when it is the same. */
  private change(part: Partial<View>, drawOnly = false): boolean {
    const view = { ...this.view, ...part };
    if (writeView(view) === writeView(this.view)) return false;
    history.pushState(null, "", writeView(view));
    this.take(view, drawOnly);
    return true;
  }

  private take(view: View, drawOnly = false): void {
    if (writeView(view) === writeView(this.view)) return;
    const sameRange = JSON.stringify(view.range) === JSON.stringify(this.view.range);
    this.view = view;
    this.showView();
    if (drawOnly) this.draw();
    else void this.load(sameRange && this.loaded);
  }

  private showView(): void {
    const { fields } = this.view;
    this.toolbar.show(this.view);
    for (const [field, tile] of this.tiles) {
      if (fields.includes(field)) continue;
      tile.element.remove();
      this.tiles.delete(field);
    }
    for (const field of fields) if (!this.tiles.has(field)) this.tiles.set(field, new Tile(field, () => this.toggle(field)));
  }

  // -- samples ------------------------------------------------------------------------------------------------------

  /** Ask for the samples of the view, or for those that are `missing` in the span that is drawn. */
  private async load(missing = false): Promise<void> {
    this.asking.abort();
    this.asking = new AbortController();
    const { signal } = this.asking;
    document.body.classList.add("loading");
    this.busy = true;
    this.loaded = false;
    try {
      const points = Math.min(Math.max(Math.round(found("plots").clientWidth * POINTS_PER_PIXEL), 300), 1500);
      if (missing) await this.samples.complete(this.view.fields, signal);
      else await this.samples.load(this.view.fields, this.view.range, points, signal);
      if (signal.aborted) return;
      this.loaded = this.view.fields.length > 0;
      this.trouble = "none";
      this.tell("");
      this.arrived();
      this.toldNewest = 0;
      void this.refreshEvents();
    } catch (error) {
      if (!signal.aborted) this.fail(error as Error);
    } finally {
      if (!signal.aborted) {
        this.busy = false;
        this.refreshed = Date.now();
        document.body.classList.remove("loading");
      }
    }
  }

  /** Do what is due, and nothing while nobody sees the page. */
  private async tick(): Promise<void> {
    if (document.hidden) return;
    const now = Date.now();
    if (now - this.toldStatus >= STATUS_SECONDS * 1e3) {
      void this.askServers();
      void this.refreshEvents();
    }
    this.tellAges();
    if (this.busy || this.travel.held || !this.view.fields.length) return;
    const away = this.trouble === "away";
    const pause = away ? RETRY_SECONDS : this.pause();
    const due = away || (isLive(this.view.range) && this.trouble === "none");
    if (due && now - this.refreshed >= pause * 1e3) {
      if (away) await this.load();
      else await this.follow();
    }
    if (now - this.toldNewest >= NEWEST_SECONDS * 1e3) {
      this.toldNewest = now;
      await this.askNewest();
    }
  }

  /** Seconds from one refresh of the plots to the next. */
  private pause(): number {
    const { start, end } = this.samples.span ?? { start: 0, end: 0 };
    return Math.min(Math.max((end - start) / REFRESHES, LEAST_SECONDS), MOST_SECONDS);
  }

  /** Whether the plots show the newest samples as soon as tiles do. */
  private isClose(): boolean {
    return this.loaded && isLive(this.view.range) && this.pause() <= NEWEST_SECONDS;
  }

  private async follow(): Promise<void> {
    const { signal } = this.asking;
    this.busy = true;
    try {
      await this.samples.follow(this.view.range, signal);
      if (!signal.aborted) this.arrived();
    } catch (error) {
      if (!signal.aborted) this.fail(error as Error);
    } finally {
      if (!signal.aborted) {
        this.busy = false;
        this.refreshed = Date.now();
      }
    }
  }

  private arrived(): void {
    this.fetched = this.samples.now();
    if (!this.travel.held) this.draw();
    // A data server that has gone, or is back, is noticed here first; then the header must not say otherwise.
    const missing = this.missingFields().join("\n");
    if (missing !== this.missing) void this.askServers();
    this.missing = missing;
  }

  private missingFields(): string[] {
    return [...this.samples.columns].filter(([, { series }]) => series.problem?.code === "missing").map(([field]) => field);
  }

  /** Ask which data servers are there; of one that is back, ask for the samples that are missing. */
  private async askServers(): Promise<void> {
    this.toldStatus = Date.now();
    const away = this.missingFields().filter((field) => !this.status.online(field));
    await this.status.refresh(this.whole.signal, () => this.samples.now());
    this.tellAges();
    if (this.busy || this.travel.held || !away.some((field) => this.status.online(field))) return;
    if (isLive(this.view.range)) this.refreshed = 0;
    else void this.load();
  }

  private async refreshEvents(): Promise<void> {
    const span = this.samples.span;
    if (!span || !this.loaded) return;
    await this.events.refresh(span, this.whole.signal);
    if (!this.travel.held) this.draw();
  }

  private async askNewest(): Promise<void> {
    const { fields } = this.view;
    const { signal } = this.asking;
    const known = (field: string): boolean => this.tiles.get(field)?.isTold ?? false;
    // Of a field whose samples are all older than a live range, the newest is asked once.
    const due = this.isClose() ? fields.filter((field) => !known(field)) : fields;
    if (!due.length) return;
    try {
      const newest = await asked(due, known, signal);
      for (const [field, each] of newest) this.tiles.get(field)?.tell(each, this.samples.now(), this.status.online(field));
    } catch {
      // The refresh of the plots, or of the servers, says it.
    }
  }

  private tellAges(): void {
    const known = this.isClose() ? drawnLast(this.samples.columns) : new Map<string, Newest>();
    for (const [field, tile] of this.tiles) tile.tell(known.get(field), this.samples.now(), this.status.online(field));
  }

  private draw(anew = false): void {
    const { columns, span } = this.samples;
    const panels: Panel[] = this.view.fields.length ? panelsOf(this.view.fields, columns, this.view.apart) : [];
    const same = JSON.stringify(panels) === JSON.stringify(this.plots.map((plot) => plot.panel));
    if (anew || !same) {
      this.plots.forEach((plot) => plot.remove());
      this.plots = panels.map((panel) => new Plot(panel, this.travel, this.events.mark));
      found("plots").replaceChildren(...this.plots.map((plot) => plot.element));
      for (const plot of this.plots)
        plot.panel.fields.forEach((field, place) => {
          const tile = this.tiles.get(field);
          if (!tile) return;
          tile.paint(place);
          plot.tiles.append(tile.element);
        });
    }
    for (const [field, { series }] of columns) this.tiles.get(field)?.take(series);
    if (span) this.plots.forEach((plot) => plot.draw(columns, span, isLive(this.view.range)));
    this.tellAges();
    const drawn = found("drawn");
    drawn.textContent = span && this.view.fields.length ? `drawn ${clock(this.fetched)} UTC` : "";
    drawn.title = span ? `at most a point each ${span.stride.toPrecision(3)} s of a field, its extremes among them` : "";
    drawn.dataset["stride"] = span ? plain(span.stride) : "";
  }

  private fail(error: Error): void {
    const why = error instanceof Refused ? error.message : "the bridge does not answer";
    const final = error instanceof Refused && FINAL.includes(error.status);
    this.trouble = final ? "refused" : "away";
    const kept = this.plots.length ? " What is drawn is from before." : "";
    this.tell(`▲ ${why}.${kept}${final ? "" : " Trying again."}`, true);
  }

  private readonly tell = (sentence: string, bad = false): void => {
    const message = found("message");
    message.textContent = sentence;
    message.classList.toggle("bad", bad);
    document.body.classList.toggle("failed", bad);
  };
}

new Quicklook().start();
