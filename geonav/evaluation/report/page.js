// The list: filtered by kind, words and groups, in any order; what is chosen shows in list, map and detail.
const FIRST = 300;
const orders = {
  given: ['as given', () => 0], failed: ['failures first', (p) => ({ bad: 2, weak: 1, good: 0 })[toneOf[p.kind]]], name: ['name', null], error_m: ['largest error', (p) => p.error_m], error_deg: ['most turned', (p) => p.error_deg],
  ellipse: ['widest ellipse', (p) => p.ellipse && p.ellipse[0]], inliers: ['fewest matches that agree', (p) => -p.inliers], seconds: ['slowest', (p) => p.seconds],
};
let chosen = 0, kindShown = null, most = FIRST, shown = [];
const groups = {};
data.photos.forEach((photo, index) => {
  photo.index = index;
  Object.entries(photo.groups || {}).forEach(([name, value]) => { (groups[name] = groups[name] || new Set()).add(value); });
});

function listed() {
  const word = byId('find').value.toLowerCase(), [, by] = orders[byId('order').value] || orders.given;
  const asked = [...byId('filters').querySelectorAll('select')].filter((one) => one.value).map((one) => [one.name, one.value]);
  const kept = data.photos.filter((photo) => (!kindShown || photo.kind === kindShown)
    && asked.every(([name, value]) => (photo.groups || {})[name] === value)
    && (!word || `${photo.name} ${photo.reason || ''}`.toLowerCase().includes(word)));
  if (!by) kept.sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }));
  else kept.sort((a, b) => (by(b) ?? -Infinity) - (by(a) ?? -Infinity) || a.index - b.index);
  return kept;
}
function told(photo) {
  if (photo.error_m !== undefined) return `${metres(photo.error_m)}${photo.error_deg === undefined ? '' : `, ${degrees(photo.error_deg)}`} off`;
  if (photo.ellipse) return `± ${metres(photo.ellipse[0])}`;
  return photo.reason || '';
}
function entry(photo) {
  const kind = data.kinds.find((one) => one.key === photo.kind);
  const words = make('span', {}, make('b', { title: photo.name }, photo.name), make('em', {}, kind.label), make('small', {}, told(photo)));
  const button = make('button', { type: 'button', class: kind.tone, 'aria-current': photo.index === chosen, 'data-photo': photo.index }, thumbnail(`p${photo.index}`), words);
  button.onclick = () => choose(photo.index, true);
  return make('li', {}, button);
}
function list() {
  shown = listed();
  const items = shown.slice(0, most).map(entry), kept = new Set(shown.map((photo) => photo.index));
  if (shown.length > most) {
    const more = make('button', { type: 'button', class: 'more' }, `${shown.length - most} more`);
    more.onclick = () => { most += 3 * FIRST; list(); };
    items.push(make('li', {}, more));
  }
  byId('rows').replaceChildren(...items);
  byId('count').textContent = shown.length < data.photos.length ? `${shown.length} of ${data.photos.length} photos` : `${shown.length} photos`;
  marks.forEach((mark, index) => { mark.style.display = kept.has(index) ? '' : 'none'; });
}
function choose(index, look) {
  marks[chosen].classList.remove('chosen');
  byId('rows').querySelectorAll('[aria-current=true]').forEach((node) => node.setAttribute('aria-current', false));
  chosen = index;
  marks[chosen].classList.add('chosen');
  marks[chosen].parentNode?.insertBefore(marks[chosen], byId('sights'));
  const row = byId('rows').querySelector(`[data-photo="${index}"]`);
  if (row) {
    row.setAttribute('aria-current', true);
    const box = byId('rows'), top = row.parentNode.offsetTop;
    if (top < box.scrollTop || top + row.offsetHeight > box.scrollTop + box.clientHeight) box.scrollTop = top - box.clientHeight / 3;
  }
  detail(index, step);
  drawSights(data.photos[index]);
  if (look) byId('detail').scrollIntoView({ block: 'start', behavior: 'smooth' });
}
function step(by) {
  const at = shown.findIndex((photo) => photo.index === chosen), next = shown[at < 0 ? 0 : (at + by + shown.length) % shown.length];
  if (next) choose(next.index);
}
function filterByKind(key) {
  kindShown = kindShown === key ? null : key;
  byId('kinds').querySelectorAll('button').forEach((node) => node.setAttribute('aria-pressed', node.dataset.kind === (kindShown || '')));
  most = FIRST;
  list();
  if (shown.length && !shown.some((photo) => photo.index === chosen)) choose(shown[0].index);
}
function controls() {
  byId('kinds').append(...[{ key: '', label: 'all', tone: '', count: data.photos.length, meaning: '' }, ...data.kinds].map((kind) => {
    const button = make('button', { type: 'button', class: kind.tone, title: kind.meaning, 'data-kind': kind.key, 'aria-pressed': !kind.key }, `${kind.label} ${kind.count}`);
    button.onclick = () => filterByKind(kind.key || kindShown);
    return button;
  }));
  const has = { failed: 'truth', error_m: 'error_m', error_deg: 'error_deg', ellipse: 'ellipse', seconds: 'seconds' };
  byId('order').append(...Object.entries(orders).filter(([key]) => !has[key] || data.photos.some((photo) => photo[key] !== undefined))
    .map(([key, [text]]) => make('option', { value: key }, text)));
  Object.entries(groups).filter(([, values]) => values.size > 1 && values.size <= 50).forEach(([name, values]) => {
    const select = make('select', { name }, make('option', { value: '' }, 'all'), ...[...values].sort().map((value) => make('option', { value }, value)));
    select.onchange = () => { most = FIRST; list(); };
    byId('filters').append(make('label', {}, `${name} `, select));
  });
  byId('find').oninput = list;
  byId('order').onchange = list;
}
function legend() {
  const some = (test) => data.photos.some(test), entries = [];
  if (data.spots.length) entries.push(['--c:var(--spot)', '', 'references']);
  for (const [tone, text] of [['good', 'true position, answered right'], ['weak', 'true position, no answer'], ['bad', 'true position, answered wrong']]) {
    if (some((photo) => photo.truth && toneOf[photo.kind] === tone)) entries.push([`--c:var(--${tone})`, '', text]);
  }
  if (some((photo) => photo.estimate)) entries.push(['--c:var(--mark)', '', 'position found, with the ellipse that holds the truth in 95 %']);
  if (some((photo) => photo.truth && photo.estimate)) entries.push(['--c:var(--bad)', 'bar', 'error']);
  byId('signs').append(...entries.map(([style, name, text]) => make('li', { style, class: name }, text)));
}

controls();
legend();
const anywhere = data.spots.length || data.photos.some((photo) => photo.truth || photo.estimate);
byId('place').hidden = !anywhere;
drawMap(choose);
if (anywhere) fitAll();
list();
if (data.photos.length) choose(0);
if (data.photos.length < 2) {
  byId('rows').hidden = true;
  byId('list').hidden = true;
  document.querySelector('.two').classList.add('single');
  document.querySelector('main').append(byId('place')); // of one photo, first what it shows
}
document.querySelectorAll('[data-outcome]').forEach((part) => {
  part.onclick = () => { kindShown = null; filterByKind(part.dataset.outcome); byId('list').scrollIntoView({ behavior: 'smooth' }); };
});
byId('there').onclick = () => fitPhoto(data.photos[chosen]);
document.addEventListener('keydown', (event) => {
  if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) || event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.key === 'ArrowRight' || event.key === 'ArrowLeft') step(event.key === 'ArrowRight' ? 1 : -1);
});
new ResizeObserver(() => { if (view) show(view.x, view.y, view.unit); }).observe(plan);
