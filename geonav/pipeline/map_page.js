"use strict";
// What geonav's maps do in the browser; everything about one place is in its feature's properties:
// i id, p provider, d date, v azimuths of its views in degrees, f their field of view, l address to open.
const geonavMap = (() => {
  const SPOKES_FROM_ZOOM = 16;
  const SPOKE_PX = 16;
  const DOT_PX = 4;
  const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];
  const settings = { providers: [] };

  function colourOf(place) {
    return COLOURS[Math.max(0, settings.providers.indexOf(place.p)) % COLOURS.length];
  }

  // A date may be a year or a month: it then stands for all its days.
  function isShown(place, filter) {
    if (filter.hidden.includes(place.p)) return false;
    const date = place.d || "";
    if (filter.since && (!date || date < filter.since.slice(0, date.length))) return false;
    return !(filter.until && (!date || date.slice(0, filter.until.length) > filter.until));
  }

  function spokeEnds(x, y, azimuths) {
    return azimuths.map((azimuth) => {
      const angle = (azimuth * Math.PI) / 180;
      return [x + SPOKE_PX * Math.sin(angle), y - SPOKE_PX * Math.cos(angle)];
    });
  }

  let Marker = null;

  // A dot with a line for each view, drawn on the one canvas of the map.
  function markerClass() {
    Marker = Marker || L.CircleMarker.extend({
      _updateBounds() {
        L.CircleMarker.prototype._updateBounds.call(this);
        const room = L.point(SPOKE_PX + 2, SPOKE_PX + 2);
        this._pxBounds = L.bounds(this._point.subtract(room), this._point.add(room));
      },
      _updatePath() {
        const renderer = this._renderer;
        const azimuths = this.feature.properties.v;
        if (azimuths && renderer._drawing && renderer._ctx && !this._empty() && this._map.getZoom() >= SPOKES_FROM_ZOOM) {
          const context = renderer._ctx;
          context.beginPath();
          for (const [x, y] of spokeEnds(this._point.x, this._point.y, azimuths)) {
            context.moveTo(this._point.x, this._point.y);
            context.lineTo(x, y);
          }
          context.globalAlpha = 1;
          context.lineWidth = 1.5;
          context.strokeStyle = this.options.color;
          context.stroke();
        }
        L.CircleMarker.prototype._updatePath.call(this);
      },
    });
    return Marker;
  }

  function marker(feature, position) {
    const Class = markerClass();
    const dot = new Class(position, {
      radius: DOT_PX, weight: 1, color: colourOf(feature.properties), fillOpacity: 0.8, bubblingMouseEvents: false,
    });
    dot.feature = feature;
    return dot;
  }

  function style(feature) {
    return feature.geometry.type.endsWith("Polygon") ? { color: "#444", weight: 2, fillOpacity: 0.04, interactive: false } : {};
  }

  function row(table, name, value) {
    const line = table.insertRow();
    line.insertCell().textContent = name;
    line.insertCell().textContent = value;
  }

  // Text only: what providers and map makers write is never taken for HTML.
  function describe(layer) {
    const place = layer.feature.properties;
    const position = layer.feature.geometry.coordinates;
    const box = document.createElement("div");
    const table = box.appendChild(document.createElement("table"));
    if (place.i) row(table, "id", place.i);
    if (place.p) row(table, "provider", place.p);
    if (place.p) row(table, "captured", place.d || "not known");
    const lng = ((((position[0] + 180) % 360) + 360) % 360) - 180;
    row(table, "position", `${position[1].toFixed(6)} ${lng.toFixed(6)}`);
    if (place.v) row(table, place.p ? "views" : "heading", place.v.map((azimuth) => `${azimuth}°`).join(" "));
    if (place.f) row(table, "field of view", `${place.f}°`);
    if (place.l && /^https?:\/\//.test(place.l)) {
      const link = box.appendChild(document.createElement("a"));
      link.href = place.l;
      link.target = "_blank";
      link.rel = "noopener";
      link.textContent = "open at its provider";
    }
    return box;
  }

  function note(text) {
    const box = document.getElementById("geonav-note");
    box.textContent = text;
    box.hidden = !text;
  }

  function watchTiles(map) {
    let loaded = 0;
    map.eachLayer((layer) => {
      if (!(layer instanceof L.TileLayer)) return;
      layer.on("tileload", () => { loaded += 1; note(""); });
      layer.on("tileerror", (event) => {
        if (loaded) return;
        const host = new URL(event.tile.src, location.href).host;
        const fromDisk = location.protocol === "file:"
          ? ", or the server refuses pages opened from disk: run 'python -m http.server' in this file's folder and open it from http://localhost:8000"
          : "";
        note(`The background from ${host} cannot be loaded. This computer may be offline${fromDisk}. Another server can be set: maps.tile_url in geonav.toml. All else on this map is complete.`);
      });
    });
  }

  function field(parent, label, type) {
    const line = parent.appendChild(document.createElement("label"));
    line.append(`${label} `);
    const input = document.createElement("input");
    input.type = type;
    line.append(input);
    return input;
  }

  function addFilter(map, layer) {
    const all = layer.getLayers();
    const filter = { hidden: [], since: "", until: "" };
    const control = L.control({ position: "topright" });
    control.onAdd = () => {
      const box = L.DomUtil.create("form", "geonav-box");
      L.DomEvent.disableClickPropagation(box);
      const count = box.appendChild(document.createElement("b"));
      const show = () => {
        const shown = all.filter((one) => isShown(one.feature.properties, filter));
        layer.clearLayers();
        shown.forEach((one) => layer.addLayer(one));
        count.textContent = `${shown.length.toLocaleString("en")} of ${all.length.toLocaleString("en")} panoramas`;
      };
      settings.providers.forEach((name) => {
        const input = field(box, name, "checkbox");
        input.checked = true;
        input.parentNode.style.color = colourOf({ p: name });
        input.addEventListener("change", () => {
          filter.hidden = input.checked ? filter.hidden.filter((other) => other !== name) : [...filter.hidden, name];
          show();
        });
      });
      for (const edge of ["since", "until"]) {
        const input = field(box, edge, "date");
        input.addEventListener("change", () => { filter[edge] = input.value; show(); });
      }
      show();
      return box;
    };
    control.addTo(map);
  }

  function addLegend(map, text) {
    const control = L.control({ position: "topright" });
    control.onAdd = () => {
      const box = L.DomUtil.create("div", "geonav-box");
      box.textContent = text;
      return box;
    };
    control.addTo(map);
  }

  function start(map, layer, options) {
    watchTiles(map);
    layer.bindPopup(describe);
    if (options.bounds) map.fitBounds(options.bounds, { maxZoom: 18, padding: [20, 20] });
    if (options.legend) addLegend(map, options.legend);
    if (options.filter) addFilter(map, layer);
  }

  if (typeof document !== "undefined") {
    document.addEventListener("DOMContentLoaded", () => {
      if (typeof L === "undefined") {
        note("The map cannot be drawn: Leaflet, the program that draws it, is loaded from the net, and this computer seems to be offline.");
      }
    });
  }

  return { settings, isShown, spokeEnds, marker, style, describe, start };
})();
