// Under the pointer, a chart tells its figures.
document.querySelectorAll('.chart').forEach((chart) => {
  const [kind, from, to, unit] = chart.dataset.scale.split(' '), [left, width, top, height] = chart.dataset.axis.split(' ').map(Number);
  const svg = chart.querySelector('svg'), names = [...chart.querySelectorAll('.legend li')], kept = names.map((name) => name.querySelector('b'));
  const words = kept.map((b) => b && b.textContent), lines = [...svg.querySelectorAll('.curve')].reverse();
  const paths = lines.map((line) => line.getAttribute('points').split(' ').map((point) => point.split(',').map(Number)));
  const needle = draw('path', { class: 'needle', visibility: 'hidden' }), label = draw('text', { class: 'needle', y: top + 12, visibility: 'hidden' });
  svg.append(needle, label);
  function valueAt(share) {
    const [low, high] = [Number(from), Number(to)];
    if (kind === 'log') return `${Number((low * (high / low) ** share).toPrecision(2))} ${unit}`;
    return `${Math.round(low + share * (high - low))} ${unit}`;
  }
  // The last point that is not beyond the place asked for: lines are steps, or fine enough to be read as such.
  const heightAt = (path, x) => path.reduce((found, point) => (point[0] <= x + 0.05 ? point[1] : found), path[0][1]);
  svg.addEventListener('pointermove', (event) => {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    const share = (at.x - left) / width;
    if (share < 0 || share > 1) return;
    needle.setAttribute('d', `M${at.x} ${top}V${top + height}`);
    label.textContent = valueAt(share);
    label.setAttribute('x', share > 0.7 ? at.x - 5 : at.x + 5);
    label.setAttribute('text-anchor', share > 0.7 ? 'end' : 'start');
    [needle, label].forEach((node) => node.setAttribute('visibility', 'visible'));
    kept.forEach((b, i) => { if (b) b.textContent = `${(100 * (top + height - heightAt(paths[i], at.x)) / height).toFixed(0)} %`; });
  });
  svg.addEventListener('pointerleave', () => {
    [needle, label].forEach((node) => node.setAttribute('visibility', 'hidden'));
    kept.forEach((b, i) => { if (b) b.textContent = words[i]; });
  });
});
