'use strict';
// What a page of photos is made of. Names come from files and are only ever set as text.
const NS = 'http://www.w3.org/2000/svg';
const byId = (id) => document.getElementById(id);
const read = (id) => JSON.parse(byId(id).textContent);
const data = read('data');

function make(tag, attributes, ...inner) { return filled(document.createElement(tag), attributes, inner); }
function draw(tag, attributes, ...inner) { return filled(document.createElementNS(NS, tag), attributes, inner); }
function filled(node, attributes, inner) {
  for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
  node.append(...inner.filter((part) => part !== null && part !== undefined));
  return node;
}
function titled(node, text) { node.append(draw('title', {}, text)); return node; }

// Pictures are kept as text until they are looked at.
const pictureOf = (id) => { const kept = byId(id); return kept && `data:image/jpeg;base64,${kept.textContent}`; };
const waiting = new WeakMap();
const watcher = new IntersectionObserver((seen) => seen.forEach(({ isIntersecting, target }) => {
  if (!isIntersecting) return;
  watcher.unobserve(target);
  target.src = pictureOf(waiting.get(target));
  waiting.delete(target);
}), { rootMargin: '300px' });
function thumbnail(id) {
  if (!byId(id)) return make('i', {});
  const image = make('img', { alt: '' });
  waiting.set(image, id);
  watcher.observe(image);
  return image;
}

const metres = (value) => (value < 0.00995 ? `${(value * 1000).toFixed(1)} mm` : value < 0.995 ? `${(value * 100).toFixed(value < 0.0995 ? 1 : 0)} cm` : value < 3 ? `${value.toFixed(2)} m`
  : value < 9995 ? `${value.toFixed(value < 99.5 ? 1 : 0)} m` : `${(value / 1000).toFixed(1)} km`);
const degrees = (value) => `${value.toFixed(value < 0.995 ? 2 : 1)}°`;
// The longest of 1, 2, 5, 10, ... that is no longer.
function round(length) {
  const power = 10 ** Math.floor(Math.log10(length));
  return power * (length / power >= 5 ? 5 : length / power >= 2 ? 2 : 1);
}
const said = (value) => (value >= 1000 ? `${value / 1000} km` : value >= 1 ? `${value} m` : value >= 0.01 ? `${+(value * 100).toFixed(3)} cm`
  : `${+(value * 1000).toFixed(3)} mm`);
