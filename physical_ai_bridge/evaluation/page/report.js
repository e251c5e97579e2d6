'use strict';
(() => {
  const { themed, layout, config } = page;
  const figures = page.read('figures');
  const names = Object.keys(figures).filter((name) => document.getElementById(name));
  const timed = names.filter((name) => figures[name].time);

  let range = null;
  const draw = () => {
    for (const name of names) {
      Plotly.react(name, themed(figures[name].data), layout(figures[name], range), config);
    }
  };

  let linking = false;
  const zoom = (next, from) => {
    range = next;
    linking = true;
    const done = timed.filter((name) => name !== from).map((name) => (
      Plotly.relayout(name, { 'xaxis.range': range || figures[name].layout.xaxis.range })));
    Promise.all(done).then(() => { linking = false; });
  };
  const buttons = [...document.querySelectorAll('.episodes button')];
  const press = (button) => buttons.forEach((b) => b.setAttribute('aria-pressed', String(b === button)));
  const span = (element) => [Number(element.dataset.from), Number(element.dataset.to)];

  page.followTheme(draw);

  for (const name of timed) {
    document.getElementById(name).on('plotly_relayout', (event) => {
      if (linking) return;
      if ('xaxis.range[0]' in event) {
        press(null);
        zoom([event['xaxis.range[0]'], event['xaxis.range[1]']], name);
      } else if ('xaxis.range' in event || event['xaxis.autorange']) {
        press(buttons[0]);
        zoom(null, name);
      }
    });
  }
  buttons.forEach((button) => button.addEventListener('click', () => {
    press(button);
    zoom('from' in button.dataset ? span(button) : null, null);
  }));
  for (const row of document.querySelectorAll('tr[data-from]')) {
    row.addEventListener('click', () => {
      const button = buttons.find((b) => b.dataset.from === row.dataset.from);
      press(button || null);
      zoom(span(row), null);
      document.getElementById('modes').scrollIntoView({ behavior: 'smooth', block: 'center' });
    });
  }
  const video = document.querySelector('video');
  if (video && window.matchMedia('(prefers-reduced-motion: reduce)').matches) video.pause();
})();
