// What stands on the map: the area, the position with its view and its uncertainty, references, where to search.

import { element, stillness } from "./dom.js";
import { ellipseRim, fan, fieldOfView } from "./geo.js";
import { MOST_ZOOM, addButtons, makeMap } from "./map.js";
import { degrees, metres, within95 } from "./words.js";

const L = window.L;
// Lengths on the screen, whatever the zoom: the view, the heading's line, a reference's line of sight.
const VIEW_PX = 110, HEADING_PX = 130, SIGHT_PX = 24;
// A view whose calibration is unknown is drawn this wide to either side.
const USUAL_HALF_VIEW = 30;
const shape = (className) => ({ className, interactive: false, weight: 2, smoothFactor: 0 });

export class Marks {
  #map;
  #area = L.layerGroup();
  #found = L.layerGroup();
  #prior = L.layerGroup();
  #markers = new Map();
  #redraw = () => {};
  #buttons;
  #areaBounds = null;

  constructor(place, tiles, onPick) {
    this.#map = makeMap(place, tiles);
    for (const layer of [this.#area, this.#prior, this.#found]) layer.addTo(this.#map);
    this.#buttons = addButtons(this.#map);
    this.#map.on("zoomend", () => this.#redraw());
    this.#map.on("click", (event) => onPick(event.latlng));
    place.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target === place) onPick(this.#map.getCenter());
    });
  }

  centre() {
    return this.#map.getCenter();
  }

  /** The rectangle that all references lie in. */
  showArea(bounds) {
    const { south, west, north, east } = bounds;
    this.#areaBounds = L.latLngBounds([south, west], [north, east]);
    L.rectangle(this.#areaBounds, shape("area")).addTo(this.#area);
    this.#fit(this.#areaBounds, 20);
  }

  /** The circle that is searched; null for everywhere. */
  showPrior(prior) {
    this.#prior.clearLayers();
    if (prior === null) return;
    const circle = L.circle([prior.lat, prior.lng], { ...shape("prior"), radius: prior.within }).addTo(this.#prior);
    L.circleMarker([prior.lat, prior.lng], { ...shape("prior-middle"), radius: 4 }).addTo(this.#prior);
    if (!this.#map.getBounds().contains(circle.getBounds())) this.#fit(circle.getBounds(), 18);
  }

  clear() {
    this.#found.clearLayers();
    this.#markers.clear();
    this.#redraw = () => {};
    this.#buttons({});
  }

  /**
   * Show what was found.
   *
   * @param result as the server gave it
   * @param references [{uid, number, lat, lng, azimuth, label}] those whose place is known
   * @param onSelect called with the uid of a reference that was chosen
   */
  show(result, references, onSelect) {
    this.clear();
    const located = result.status === "located";
    for (const reference of references) this.#addReference(reference, located, onSelect);
    const all = L.latLngBounds(references.map((each) => [each.lat, each.lng]));
    if (located) {
      this.#addPosition(result);
      all.extend([result.lat, result.lng]);
    }
    const showAll = () => this.#fit(all.isValid() ? all : this.#areaBounds, 20);
    showAll();
    const calls = located ? { Position: () => this.#fit(this.#close(result), MOST_ZOOM), References: showAll } : { References: showAll };
    if (this.#areaBounds !== null) calls.Area = () => this.#fit(this.#areaBounds, 20);
    this.#buttons(all.isValid() ? calls : {});
  }

  /** Mark the reference that is looked at. */
  select(uid) {
    for (const [each, marker] of this.#markers) {
      marker.getElement()?.classList.toggle("selected", each === uid);
      marker.setZIndexOffset(each === uid ? 1000 : 0);
    }
  }

  #close(result) {
    return L.latLngBounds(ellipseRim(result.lat, result.lng, result.ellipse_95)).pad(0.6);
  }

  #fit(bounds, maxZoom) {
    if (bounds === null) return;
    const padding = [70, 70].map((most, i) => Math.min(most, this.#map.getSize()[i ? "y" : "x"] / 5));
    this.#map.fitBounds(bounds, { maxZoom, padding, animate: !stillness() });
  }

  #addReference(reference, located, onSelect) {
    const name = `${located ? "Reference" : "Looked like"} ${reference.number}: ${reference.label}`;
    const icon = L.divIcon({ className: located ? "view" : "view alike", iconSize: [0, 0], html: petal(reference) });
    const marker = L.marker([reference.lat, reference.lng], { icon, title: name, riseOnHover: true }).addTo(this.#found);
    marker.getElement().setAttribute("aria-label", name);
    marker.on("click", () => onSelect(reference.uid));
    marker.on("keydown", ({ originalEvent }) => {
      if (originalEvent.key !== "Enter" && originalEvent.key !== " ") return;
      originalEvent.preventDefault();
      onSelect(reference.uid);
    });
    this.#markers.set(reference.uid, marker);
  }

  #addPosition(result) {
    const { lat, lng, azimuth } = result, sure = within95(result.azimuth_std_deg ?? 0);
    const sides = fieldOfView(result.K, result.query_size) ?? { left: USUAL_HALF_VIEW, right: USUAL_HALF_VIEW };
    const view = L.polygon([], shape("sight")).addTo(this.#found);
    const doubt = L.polygon([], shape("doubt")).addTo(this.#found);
    L.polygon(ellipseRim(lat, lng, result.ellipse_95), shape("ellipse")).addTo(this.#found);
    L.circleMarker([lat, lng], { ...shape("position"), radius: 6 }).addTo(this.#found);
    this.#redraw = () => {
      const at = this.#map.project([lat, lng]);
      const fanned = (radius, from, to) => fan(at, radius, from, to).map(({ x, y }) => this.#map.unproject([x, y]));
      view.setLatLngs(fanned(VIEW_PX, azimuth - sides.left, azimuth + sides.right));
      doubt.setLatLngs(fanned(HEADING_PX, azimuth - sure, azimuth + sure));
    };
    this.#redraw();
  }
}

/** A number that stands from its place to where the reference looks. */
function petal({ number, azimuth }) {
  const turn = ((azimuth ?? 0) * Math.PI) / 180;
  const label = element("b", {}, String(number)), line = element("i"), dot = element("s");
  label.style.left = `${SIGHT_PX * Math.sin(turn)}px`;
  label.style.top = `${-SIGHT_PX * Math.cos(turn)}px`;
  line.style.transform = `rotate(${azimuth ?? 0}deg)`;
  line.hidden = azimuth === null || azimuth === undefined;
  return element("span", { "aria-hidden": "true" }, line, dot, label);
}

/** The lines of the legend: [class, words]. */
export function legendOf(result, prior) {
  return [...legendOfResult(result), ...(prior === null ? [] : [["prior", "Where is searched"]])];
}

function legendOfResult(result) {
  if (result === null) return [["area", "Where this server has references"]];
  if (result.status !== "located") return [["alike", "Looked like the photo; not where it was taken"]];
  const sides = fieldOfView(result.K, result.query_size);
  return [
    ["position", "Position"],
    ["sight", sides ? `Field of view, ${degrees(sides.left + sides.right)}` : "Field of view (width unknown)"],
    ["doubt", `Heading ± ${degrees(within95(result.azimuth_std_deg ?? 0))} (95 %)`],
    ["ellipse", `95 % ellipse, ${metres(result.ellipse_95.semi_major_m)} × ${metres(result.ellipse_95.semi_minor_m)}`],
    ["reference", "Matched reference"],
  ];
}
