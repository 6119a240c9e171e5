// What one sees while waiting: how long it has taken, what happens, and a way out.

import { byId } from "./dom.js";

export class Busy {
  #started = 0;
  #timer = null;

  /** Show that work began. */
  start(text) {
    this.stop();
    this.#started = performance.now();
    byId("busy").hidden = false;
    this.say(text);
    this.#tick();
    this.#timer = setInterval(() => this.#tick(), 1000);
  }

  say(text) {
    byId("busy-text").textContent = text;
  }

  #tick() {
    byId("elapsed").textContent = `${Math.round((performance.now() - this.#started) / 1000)} s`;
  }

  /** Count down; ends early when asked to, and with an AbortError when the signal says so. */
  wait(seconds, signal) {
    const until = performance.now() + seconds * 1000, now = byId("try-now");
    return new Promise((resolve, reject) => {
      const end = (settle, value) => {
        clearInterval(timer);
        now.hidden = true;
        now.removeEventListener("click", early);
        signal.removeEventListener("abort", aborted);
        settle(value);
      };
      const early = () => { byId("cancel").focus(); end(resolve); };
      const aborted = () => end(reject, new DOMException("cancelled", "AbortError"));
      const tick = () => {
        const left = Math.ceil((until - performance.now()) / 1000);
        if (left <= 0) end(resolve);
        else this.say(`The server is busy. Trying again in ${left} s.`);
      };
      const timer = setInterval(tick, 250);
      now.hidden = false;
      now.addEventListener("click", early);
      signal.addEventListener("abort", aborted);
      tick();
    });
  }

  /** Hide it all. */
  stop() {
    clearInterval(this.#timer);
    byId("busy").hidden = true;
    byId("try-now").hidden = true;
  }
}
