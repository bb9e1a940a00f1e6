import { element } from "./ui/element.ts";

/** How long a wait stays open, counted from what the host said: the clock here may be another. */
export class TimeLeft {
  readonly element = element("p", "note");
  readonly #timer: number;
  #endsAt = 0;

  constructor(leftMs: number) {
    this.set(leftMs);
    this.#timer = window.setInterval(() => this.#show(), 1000);
  }

  set(leftMs: number): void {
    this.#endsAt = performance.now() + leftMs;
    this.#show();
  }

  stop(): void {
    window.clearInterval(this.#timer);
  }

  #show(): void {
    const seconds = Math.ceil((this.#endsAt - performance.now()) / 1000);
    const text =
      seconds <= 0
        ? "Its time is over. It ends without an answer."
        : `Ends without an answer in ${inWords(seconds)}.`;
    if (this.element.textContent !== text) this.element.textContent = text;
  }
}

function inWords(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} days`;
}
