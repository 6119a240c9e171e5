// Directions and distances on the ground; degrees, metres, azimuths clockwise from true north.

export const EARTH_M = 6378137;
const RADIANS = Math.PI / 180;
// Half of an interval that holds 95 % of a normal distribution, in standard deviations.
export const SIGMAS_95 = 1.96;

/** The place that lies so far east and north of another. */
export function moved(lat, lng, east, north) {
  return [lat + north / EARTH_M / RADIANS, lng + east / (EARTH_M * Math.cos(lat * RADIANS)) / RADIANS];
}

/** How far and in which direction `to` lies from `from`. */
export function between(from, to) {
  const north = (to.lat - from.lat) * RADIANS * EARTH_M;
  const east = (to.lng - from.lng) * RADIANS * EARTH_M * Math.cos(from.lat * RADIANS);
  return { metres: Math.hypot(east, north), azimuth: wrapped(Math.atan2(east, north) / RADIANS) };
}

export const wrapped = (degrees) => ((degrees % 360) + 360) % 360;

/** The rim of a confidence ellipse about a place. */
export function ellipseRim(lat, lng, ellipse, steps = 72) {
  const turn = ellipse.azimuth_deg * RADIANS;
  return Array.from({ length: steps }, (_, i) => {
    const t = (2 * Math.PI * i) / steps;
    const along = ellipse.semi_major_m * Math.cos(t), across = ellipse.semi_minor_m * Math.sin(t);
    const east = along * Math.sin(turn) + across * Math.cos(turn);
    const north = along * Math.cos(turn) - across * Math.sin(turn);
    return moved(lat, lng, east, north);
  });
}

/** How far the photo sees to the left and right of its optical axis; null where its calibration is unknown. */
export function fieldOfView(K, size) {
  if (!K || !size) return null;
  const [focal, , middle] = K[0];
  return { left: Math.atan(middle / focal) / RADIANS, right: Math.atan((size[0] - middle) / focal) / RADIANS };
}

/** Points of a fan about `centre` = {x, y} on a screen, whose y points south. */
export function fan(centre, radius, from, to) {
  const steps = Math.max(2, Math.ceil(Math.abs(to - from) / 3));
  const rim = Array.from({ length: steps + 1 }, (_, i) => {
    const turn = (from + ((to - from) * i) / steps) * RADIANS;
    return { x: centre.x + radius * Math.sin(turn), y: centre.y - radius * Math.cos(turn) };
  });
  return [centre, ...rim];
}

/** The largest of 1, 2, 5, 10, ... that is at least `least`. */
export function roundStep(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((digit) => digit * power).find((step) => step >= least * 0.999);
}
