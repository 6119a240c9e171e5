// One photo: its picture beside a reference's with the matches between them, what was retrieved, and the figures.
const colours = ['#1558b0', '#c2570c', '#0c7a43', '#8a4fb5', '#9a8400', '#0a8494', '#b03a66'];
// Lines drawn before all are asked for: more hide the pictures.
const FEW = 80;
const narrow = matchMedia('(max-width:42rem)');

function picture(id, part, box, name) {
  const source = pictureOf(id);
  const node = source ? draw('image', { href: source, ...box, preserveAspectRatio: 'none' }) : draw('rect', { class: 'none', ...box });
  return titled(node, name);
}
// Beside each other where there is room, else one below the other; both as high, or as wide.
function pairOf(index, photo, number, pair, all) {
  const reference = data.references[number], size = reference.w ? reference : photo;
  const scale = narrow.matches ? photo.w / size.w : photo.h / size.h, gap = 0.012 * Math.max(photo.w, photo.h);
  const left = narrow.matches ? 0 : photo.w + gap, top = narrow.matches ? photo.h + gap : 0;
  const box = { x: left, y: top, width: size.w * scale, height: size.h * scale };
  const label = pair ? `${pair.inliers} of ${pair.matches} matches with ${reference.uid} agree` : `no matches with ${reference.uid} are drawn`;
  const svg = draw('svg', { class: 'match', viewBox: `0 0 ${left + box.width} ${narrow.matches ? top + box.height : photo.h}`, role: 'img', 'aria-label': label },
    picture(`p${index}`, photo, { x: 0, y: 0, width: photo.w, height: photo.h }, photo.name), picture(`r${number}`, size, box, reference.uid));
  if (!pair) return svg;
  const width = Math.max(left + box.width, photo.w) / (narrow.matches ? 420 : 900);
  const stride = all ? 1 : Math.ceil(pair.ends.length / 4 / FEW);
  for (let i = (pair.ends.length / 4 - 1); i >= 0; i -= 1) {
    if (i % stride) continue;
    const [x, y, u, v] = pair.ends.slice(4 * i, 4 * i + 4);
    svg.append(draw('line', { class: i < pair.agreeing ? 'in' : 'out', x1: x, y1: y, x2: left + u * scale, y2: top + v * scale, 'stroke-width': width }));
  }
  return svg;
}
function alone(index, photo) {
  return draw('svg', { class: 'match', viewBox: `0 0 ${photo.w} ${photo.h}`, role: 'img', 'aria-label': photo.name },
    picture(`p${index}`, photo, { x: 0, y: 0, width: photo.w, height: photo.h }, photo.name));
}
function toggle(name, text, box) {
  const input = make('input', { type: 'checkbox' });
  input.checked = true;
  input.onchange = () => box?.classList.toggle(`hide-${name}`, !input.checked);
  return make('label', { class: name }, input, text);
}

// The photo, one reference at a time, and all that were retrieved to choose from.
function evidence(index, photo, told) {
  const box = make('div', { class: 'pair' }), words = make('p', { class: 'soft' }), all = make('div', {});
  const pairs = Object.fromEntries(told.pairs.map((pair) => [pair.reference, pair]));
  const cards = told.hits.map((hit, rank) => card(hit, rank, photo));
  let number = told.pairs.length ? told.pairs[0].reference : null;
  const every = toggle('every', 'draw more of them');
  every.firstChild.checked = false;
  const drawnOf = (pair) => { const kept = pair.ends.length / 4; return every.firstChild.checked ? kept : Math.ceil(kept / Math.ceil(kept / FEW || 1)); };
  function look() {
    const pair = pairs[number];
    box.replaceChildren(number === null ? alone(index, photo) : pairOf(index, photo, number, pair, every.firstChild.checked));
    words.textContent = number === null ? '' : pair
      ? `Left the photo, right ${data.references[number].uid}: ${pair.inliers} of ${pair.matches} matches agree with the pose; ${
        drawnOf(pair)} are drawn.`
      : `Left the photo, right ${data.references[number].uid}. No matches are drawn of it.`;
    if (narrow.matches) words.textContent = words.textContent.replace('Left', 'Above').replace(', right', ', below');
    cards.forEach(({ firstChild }, i) => firstChild.setAttribute('aria-pressed', told.hits[i][0] === number));
  }
  cards.forEach(({ firstChild }, i) => { firstChild.onclick = () => { number = told.hits[i][0]; look(); }; });
  every.firstChild.onchange = look;
  narrow.onchange = look;
  look();
  if (told.pairs.length) {
    all.append(make('div', { class: 'controls' }, toggle('in', 'agree with the pose', box), toggle('out', 'do not', box), every));
  }
  all.append(box, words);
  if (cards.length) all.append(make('h4', {}, `Retrieved references, best first${photo.truth ? ', and how far from the truth they stand' : photo.estimate ? ', and how far from the position found they stand' : ''}`), make('ol', { class: 'hits' }, ...cards));
  return all;
}
function card([number, similarity, matches, inliers, away], rank, photo) {
  const reference = data.references[number];
  const tone = data.near_m && photo.truth && away !== null ? (away <= data.near_m ? 'good' : 'bad') : inliers ? 'good' : '';
  const words = make('span', {}, make('b', { title: reference.uid }, similarity === null ? reference.uid : `${rank + 1}. ${reference.uid}`));
  words.append(similarity === null ? 'should have been found' : `similarity ${similarity.toFixed(3)}`, make('br'),
    matches ? `${inliers} of ${matches} agree` : 'not matched');
  if (away !== null) words.append(make('br'), metres(away));
  return make('li', {}, make('button', { type: 'button', class: tone }, thumbnail(`r${number}`), words));
}

// Truth, position found and its ellipse, close up: on the map a good result is one dot.
function closeUp(photo) {
  const at = photo.estimate || photo.truth;
  if (!at || !photo.ellipse) return null;
  const error = photo.truth ? Math.hypot(photo.truth[0] - at[0], photo.truth[1] - at[1]) : 0;
  const half = 1.25 * Math.max(photo.ellipse[0], error, 0.005), unit = half / 120, net = round(half / 1.5);
  const far = error > 40 * photo.ellipse[0];
  const svg = draw('svg', { class: `near ${toneOf[photo.kind]}`, viewBox: '-160 -120 320 240', role: 'img', 'aria-label': 'close-up of the position' });
  for (let line = Math.ceil(-160 * unit / net); line <= 160 * unit / net; line += 1) {
    const x = line * net / unit;
    svg.append(draw('path', { class: 'net', d: `M${x} -120V120M-160 ${x}H160` }));
  }
  const put = ([x, y]) => [(x - at[0]) / unit, -(y - at[1]) / unit];
  data.references.forEach((reference) => {
    const [x, y] = reference.at ? put(reference.at) : [999, 999];
    if (Math.abs(x) < 160 && Math.abs(y) < 120) svg.append(titled(draw('circle', { class: 'spot', cx: x, cy: y, r: 4 }), reference.uid));
  });
  const sight = (x, y, azimuth, name) => svg.append(draw('path', { class: `sight ${name}`,
    d: `M${x} ${y}l${40 * Math.sin(azimuth * Math.PI / 180)} ${-40 * Math.cos(azimuth * Math.PI / 180)}` }));
  const [a, b] = photo.ellipse;
  svg.append(draw('ellipse', { class: 'confidence', rx: b / unit, ry: a / unit, transform: `rotate(${photo.ellipse[2]})` }));
  if (photo.truth) {
    const [x, y] = put(photo.truth);
    svg.append(draw('path', { class: 'error', d: `M${x} ${y}L0 0` }));
    if (photo.true_azimuth !== undefined) sight(x, y, photo.true_azimuth, 'was');
    svg.append(draw('circle', { class: 'was', cx: x, cy: y, r: 6 }));
  }
  if (photo.azimuth !== undefined) sight(0, 0, photo.azimuth, 'is');
  svg.append(draw('circle', { class: 'dot', r: far ? 6 : 4.5 }), draw('text', { x: -154, y: 114 }, `grid ${said(net)}, north is up`));
  return make('figure', {}, make('h4', {}, 'Close-up'), svg, signs(photo.truth ? [['was ring', 'truth'], ['is', 'found, with 95 % ellipse']]
    : [['is', 'found, with 95 % ellipse']], toneOf[photo.kind]));
}
function signs(entries, tone) {
  const tint = { was: `var(--${tone})`, is: 'var(--mark)' };
  return make('ul', { class: 'legend' }, ...entries.map(([name, text]) => make('li', { style: `--c:${tint[name.split(' ')[0]]}` }, text)));
}

function stages(seconds) {
  const names = Object.keys(seconds), total = names.reduce((sum, name) => sum + seconds[name], 0);
  if (!total) return null;
  const colour = (i) => colours[i % colours.length];
  const bar = make('div', { class: 'stages', role: 'img', 'aria-label': `${total.toFixed(2)} seconds` }, ...names.map((name, i) =>
    make('span', { style: `flex:${seconds[name]} 0 0;background:${colour(i)}`, title: `${name}: ${seconds[name].toFixed(2)} s` })));
  return make('figure', {}, make('h4', {}, `Time: ${total.toFixed(2)} s`), bar, make('ul', { class: 'legend' },
    ...names.map((name, i) => make('li', { style: `--c:${colour(i)}` }, `${name} ${seconds[name].toFixed(2)} s`))));
}

function detail(index, step) {
  const photo = data.photos[index], told = read(`d${index}`), kind = data.kinds.find((one) => one.key === photo.kind);
  const heads = make('div', { class: 'head' }, make('h3', {}, photo.name));
  heads.hidden = data.photos.length < 2;
  if (data.photos.length > 1) {
    const button = (text, by) => { const node = make('button', { type: 'button' }, text); node.onclick = () => step(by); return node; };
    heads.append(make('span', {}, button('← previous', -1), ' ', button('next →', 1)));
  }
  const why = photo.reason ? make('p', {}, photo.reason) : null;
  const facts = make('dl', {}, ...told.facts.flatMap(([name, value]) => [make('dt', {}, name), make('dd', {}, value)]));
  const notes = told.notes.map((note) => make('p', { class: 'soft' }, note));
  const parts = [make('div', {}, make('h4', {}, 'Figures'), facts), closeUp(photo), stages(told.seconds)].filter(Boolean);
  byId('detail').replaceChildren(heads, make('p', { class: kind.tone }, make('span', { class: 'badge' }, kind.label), make('span', { class: 'soft' }, ` ${kind.meaning}`)),
    ...(why ? [why] : []), ...notes, evidence(index, photo, told), make('div', { class: 'parts' }, ...parts));
}
