'use strict';
(() => {
  const figures = JSON.parse(document.getElementById('figures').textContent);
  const root = document.documentElement;
  const dark = window.matchMedia('(prefers-color-scheme: dark)');
  const names = Object.keys(figures).filter((name) => document.getElementById(name));
  const timed = names.filter((name) => figures[name].time);

  const colour = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const themed = (value) => {
    if (typeof value === 'string') return value.startsWith('--') ? colour(value) : value;
    if (Array.isArray(value)) return value.map(themed);
    if (value && typeof value === 'object') {
      return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, themed(v)]));
    }
    return value;
  };

  let range = null;
  const layout = (figure) => {
    const own = themed(figure.layout);
    const axis = {
      gridcolor: colour('--grid'), zerolinecolor: colour('--line'), linecolor: colour('--line'),
      tickfont: { size: 11 }, automargin: true, title: { font: { size: 12 }, standoff: 8 },
    };
    const merge = (mine) => ({ ...axis, ...mine, title: { ...axis.title, ...(mine || {}).title } });
    const x = merge(own.xaxis);
    const y = merge(own.yaxis);
    if (figure.time) {
      // The same margins everywhere, so that the same instant is at the same place in all plots.
      x.automargin = y.automargin = false;
      if (range) x.range = range;
    }
    return {
      paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)', height: figure.height,
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: colour('--muted') },
      margin: { l: 62, r: 14, t: 34, b: 42 }, hovermode: 'x unified', dragmode: 'zoom',
      hoverlabel: { bgcolor: colour('--card'), bordercolor: colour('--line'), font: { color: colour('--text'), size: 12 } },
      legend: { orientation: 'h', x: 0, y: 1.02, yanchor: 'bottom', font: { size: 12 } },
      ...own, xaxis: x, yaxis: y,
    };
  };
  const config = { responsive: true, displaylogo: false, displayModeBar: false, doubleClick: 'reset' };

  const draw = () => {
    for (const name of names) {
      Plotly.react(name, themed(figures[name].data), layout(figures[name]), config);
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

  const setTheme = (theme) => { root.dataset.theme = theme; draw(); };
  root.dataset.theme = dark.matches ? 'dark' : 'light';
  draw();
  dark.addEventListener('change', (event) => setTheme(event.matches ? 'dark' : 'light'));
  document.getElementById('theme').addEventListener('click', () => {
    setTheme(root.dataset.theme === 'dark' ? 'light' : 'dark');
  });

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
