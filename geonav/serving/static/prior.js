// Where to search, if one knows roughly: typed, or picked on the map.

import { announce, byId } from "./dom.js";
import { metres } from "./words.js";

const FIELDS = { lat: "prior-lat", lng: "prior-lng", within: "prior-within" };
const LIMITS = { lat: [-90, 90, "Latitude"], lng: [-180, 180, "Longitude"], within: [1, 100000, "Within"] };

export class Prior {
  #marks;
  #onChange;
  #picking = false;

  /**
   * @param marks gives the map's marks
   * @param onChange called with what is searched: as `value()`, or null also where the fields make no sense
   */
  constructor(marks, onChange) {
    this.#marks = marks;
    this.#onChange = onChange;
    for (const id of Object.values(FIELDS)) byId(id).addEventListener("input", () => this.#changed());
    byId("prior").addEventListener("submit", (event) => event.preventDefault());
    byId("prior-pick").addEventListener("click", () => this.#pickMode(!this.#picking));
    byId("prior-centre").addEventListener("click", () => this.#put(marks().centre()));
    byId("prior-clear").addEventListener("click", () => this.#clear());
  }

  /** What to send: {lat, lng, within}, or null for everywhere. Throws a RangeError where the fields make no sense. */
  value() {
    const typed = Object.fromEntries(Object.entries(FIELDS).map(([name, id]) => [name, byId(id).value.trim().replace(",", ".")]));
    if (typed.lat === "" && typed.lng === "") return null;
    for (const [name, [least, most, label]] of Object.entries(LIMITS)) {
      const number = Number(typed[name]);
      if (typed[name] === "" || !(number >= least && number <= most)) {
        throw new RangeError(`${label} must be a number from ${least} to ${most}.`);
      }
    }
    return { lat: Number(typed.lat), lng: Number(typed.lng), within: Number(typed.within) };
  }

  /** The map was clicked. */
  picked(place) {
    if (!this.#picking) return;
    this.#pickMode(false);
    this.#put(place);
  }

  /** Open the fields and say what is wrong with them. */
  complain(error) {
    byId("around").open = true;
    byId("prior-problem").textContent = error.message;
    byId(FIELDS.lat).focus();
  }

  #put({ lat, lng }) {
    byId(FIELDS.lat).value = lat.toFixed(6);
    byId(FIELDS.lng).value = (((lng + 540) % 360) - 180).toFixed(6);
    this.#changed();
    const prior = this.#read();
    if (prior !== null) announce(`Searching within ${metres(prior.within)} of ${prior.lat}, ${prior.lng}`);
  }

  #pickMode(on) {
    this.#picking = on;
    byId("prior-pick").setAttribute("aria-pressed", String(on));
    byId("map").classList.toggle("picking", on);
    if (!on) return;
    byId("where").scrollIntoView({ block: "nearest" });
    byId("map").focus({ preventScroll: true });
    announce("Click on the map, or move it with the arrow keys and press Enter");
  }

  #clear() {
    for (const name of ["lat", "lng"]) byId(FIELDS[name]).value = "";
    this.#changed();
    byId("prior-pick").focus();
    announce("Searching everywhere");
  }

  #read() {
    try {
      return this.value();
    } catch {
      return null;
    }
  }

  #changed() {
    let prior = null, problem = "";
    try {
      prior = this.value();
    } catch (error) {
      problem = error.message;
    }
    const half = Object.values(FIELDS).some((id) => byId(id).value.trim() === "");
    byId("prior-problem").textContent = half ? "" : problem;
    byId("prior-clear").hidden = prior === null;
    this.#marks().showPrior(prior);
    this.#onChange(prior);
  }
}
