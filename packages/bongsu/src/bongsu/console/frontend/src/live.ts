import htmx from "htmx.org";

const SETTLE_MS = 250;
const POLL_MS = 10_000;
const RETRY_MS = 15_000;

/** Refreshes the parts of a page that show an incident when it changes; polls while the stream is down. */
class Following {
  private stream: EventSource | undefined;
  private polling: ReturnType<typeof setInterval> | undefined;
  private pending: ReturnType<typeof setTimeout> | undefined;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private missed = false;

  start(): void {
    this.stop();
    const stream = new EventSource("/live");
    this.stream = stream;
    stream.addEventListener("open", () => {
      this.show("live");
      this.poll(false);
      if (this.missed) this.soon();
      this.missed = true;
    });
    stream.addEventListener("changed", (event) => {
      const id = String((event as MessageEvent<string>).data);
      if (parts().some((part) => part.dataset["live"] === "" || part.dataset["live"] === id)) this.soon();
    });
    stream.addEventListener("error", () => {
      this.show("polling");
      this.poll(true);
      // The browser tries again by itself unless it was refused.
      if (stream.readyState === EventSource.CLOSED) this.retry = setTimeout(() => this.start(), RETRY_MS);
    });
  }

  stop(): void {
    this.stream?.close();
    this.stream = undefined;
    clearTimeout(this.retry);
    this.poll(false);
  }

  private soon(): void {
    this.pending ??= setTimeout(() => {
      this.pending = undefined;
      this.refresh();
    }, SETTLE_MS);
  }

  private refresh(): void {
    for (const part of parts()) htmx.trigger(part, "bongsu:refresh");
  }

  private poll(on: boolean): void {
    if (on) this.polling ??= setInterval(() => this.refresh(), POLL_MS);
    else {
      clearInterval(this.polling);
      this.polling = undefined;
    }
  }

  private show(state: "live" | "polling"): void {
    const mark = document.querySelector<HTMLElement>("[data-connection]");
    if (mark === null || mark.dataset["connection"] === state) return;
    mark.dataset["connection"] = state;
    mark.title = mark.dataset[state === "live" ? "sayLive" : "sayPolling"] ?? "";
    mark.setAttribute("aria-label", mark.title);
  }
}

function parts(): HTMLElement[] {
  return [...document.querySelectorAll<HTMLElement>("[data-live]")];
}

/** Follows while the page is seen: a browser allows few streams a server, and hidden tabs would use them up. */
export function followChanges(): void {
  if (parts().length === 0) return;
  const following = new Following();
  const follow = (): void => (document.hidden ? following.stop() : following.start());
  document.addEventListener("visibilitychange", follow);
  addEventListener("pagehide", () => following.stop());
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
  follow();
}
