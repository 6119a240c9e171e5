// Figures as people say them.

import { SIGMAS_95, wrapped } from "./geo.js";

const POINTS = ["north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west"];
const DATUMS = {
  wgs84: "above the WGS84 ellipsoid", egm96: "above sea level (EGM96)", egm2008: "above sea level (EGM2008)",
  local: "above the database’s own zero",
};
const CALIBRATIONS = {
  given: "as given", metadata: "as the reference’s metadata says", exif_35mm: "from EXIF", exif_sensor_db: "from EXIF and the sensor’s size",
  estimated: "found with the position",
};

export const compass = (azimuth) => POINTS[Math.round(wrapped(azimuth) / 45) % 8];

/** A length with about two digits that count: 16 cm, 1.4 m, 230 m, 3.1 km. */
export function metres(length) {
  if (length < 0.0095) return "less than 1\u00a0cm";
  if (length < 0.995) return `${Math.round(length * 100)}\u00a0cm`;
  if (length < 9.95) return `${length.toFixed(Number.isInteger(length) ? 0 : 1)}\u00a0m`;
  if (length < 999.5) return `${Math.round(length)}\u00a0m`;
  return `${(length / 1000).toFixed(length < 9950 ? 1 : 0)}\u00a0km`;
}

/** An angle whose digits suit its size. */
export const degrees = (angle) => `${Math.abs(angle) < 0.095 ? angle.toFixed(2) : angle.toFixed(1)}°`;

export const coordinates = (lat, lng) => `${lat.toFixed(7)}, ${lng.toFixed(7)}`;

export const count = (number, one, many = `${one}s`) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

export const seconds = (time) => (time < 10 ? `${time.toFixed(1)}\u00a0s` : `${Math.round(time)}\u00a0s`);

/** Half of what 95 % of a normal distribution fill. */
export const within95 = (std) => SIGMAS_95 * std;

export const datum = (name) => DATUMS[name] ?? (name ? `(${name})` : "");

export const calibration = (name) => CALIBRATIONS[name] ?? "";

/** A line of the server's as a sentence. */
export const sentence = (line) => `${line.charAt(0).toUpperCase()}${line.slice(1)}${/[.!?]$/.test(line) ? "" : "."}`;

/** How the camera was tilted, in words. */
export function tilt(pitch, roll) {
  const up = Math.abs(pitch) < 0.5 ? "level" : `${degrees(Math.abs(pitch))} ${pitch > 0 ? "up" : "down"}`;
  const turn = Math.abs(roll) < 0.5 ? "upright" : `turned ${degrees(Math.abs(roll))} ${roll > 0 ? "clockwise" : "anticlockwise"}`;
  return `${up}, ${turn}`;
}

/** A file's size. */
export const bytes = (size) => (size < 1e6 ? `${Math.max(1, Math.round(size / 1e3))} kB` : `${(size / 1e6).toFixed(1)} MB`);
