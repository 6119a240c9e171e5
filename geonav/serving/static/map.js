// The map itself: Leaflet, with tiles where the server names some, with a grid of metres where it does not.

import "./leaflet.js";
import { element, stillness } from "./dom.js";
import { EARTH_M, moved, roundStep } from "./geo.js";
import { metres } from "./words.js";

const L = window.L;
const RADIANS = Math.PI / 180;
// Lines of the grid keep this far apart on the screen, and reach this share of the map beyond its edges.
const LEAST_GAP_PX = 64;
const MARGIN = 0.6;
// An ellipse of centimetres still fills a part of the map.
export const MOST_ZOOM = 26;
const SCALE_PX = 60;

/** Make a map in an element. `tiles` is {url, attribution} or null. */
export function makeMap(place, tiles) {
  const still = stillness();
  const map = L.map(place, {
    center: [20, 0], zoom: 2, minZoom: 1, maxZoom: MOST_ZOOM, zoomSnap: 0.5, zoomControl: false, worldCopyJump: true,
    zoomAnimation: !still, fadeAnimation: !still, markerZoomAnimation: !still, inertia: !still,
    attributionControl: false,
  });
  L.control.zoom({ position: "topright" }).addTo(map);
  addScale(map);
  if (tiles === null) drawGrid(map);
  else L.tileLayer(tiles.url, { maxZoom: MOST_ZOOM, maxNativeZoom: 19 }).addTo(map);
  new ResizeObserver(() => map.invalidateSize({ animate: false })).observe(place);
  return map;
}

// Leaflet's own scale knows nothing below a metre.
function addScale(map) {
  const control = L.control({ position: "bottomleft" }), bar = element("div", { class: "scale", "aria-hidden": "true" });
  control.onAdd = () => bar;
  control.addTo(map);
  const draw = () => {
    const perPixel = metresPerPixel(map), length = roundStep(SCALE_PX * perPixel);
    bar.style.width = `${length / perPixel}px`;
    bar.textContent = metres(length);
  };
  map.on("moveend zoomend resize", draw);
  draw();
}

function drawGrid(map) {
  map.createPane("grid").style.zIndex = 150;
  const renderer = L.svg({ pane: "grid", padding: MARGIN });
  const lines = L.polyline([], { pane: "grid", renderer, className: "grid", interactive: false, noClip: true }).addTo(map);
  const draw = () => lines.setLatLngs(gridLines(map.getBounds().pad(MARGIN), metresPerPixel(map)));
  map.on("moveend zoomend resize", draw);
  draw();
}

/** How much ground a pixel shows in the middle of the map. */
export function metresPerPixel(map) {
  const around = 2 * Math.PI * EARTH_M * Math.cos(map.getCenter().lat * RADIANS);
  return around / (256 * 2 ** map.getZoom());
}

function gridLines(bounds, perPixel) {
  const step = roundStep(LEAST_GAP_PX * perPixel);
  const south = Math.max(bounds.getSouth(), -84), north = Math.min(bounds.getNorth(), 84);
  // One circle of latitude measures all, so that lines stay where they are while the map moves a little.
  const at = Math.round((south + north) / 2 / 0.5) * 0.5;
  const [dLat, dLng] = moved(at, 0, step, step).map((value, i) => (i === 0 ? value - at : value));
  const lines = [];
  for (let lat = Math.ceil(south / dLat) * dLat; lat < north; lat += dLat) lines.push([[lat, bounds.getWest()], [lat, bounds.getEast()]]);
  for (let lng = Math.ceil(bounds.getWest() / dLng) * dLng; lng < bounds.getEast(); lng += dLng) lines.push([[south, lng], [north, lng]]);
  return lines;
}

/** Buttons above the map's corner; returns a function that shows those that are named, as {name: call}. */
export function addButtons(map) {
  const control = L.control({ position: "topleft" });
  const bar = element("div", { class: "map-buttons", role: "group", "aria-label": "Show on the map" });
  control.onAdd = () => {
    L.DomEvent.disableClickPropagation(bar);
    return bar;
  };
  control.addTo(map);
  return (calls) => {
    bar.replaceChildren(...Object.entries(calls).map(([name, call]) => {
      const button = element("button", { type: "button" }, name);
      button.addEventListener("click", call);
      return button;
    }));
  };
}
