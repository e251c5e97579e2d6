'use strict';
const page = (() => {
  const root = document.documentElement;
  const dark = window.matchMedia('(prefers-color-scheme: dark)');

  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const colour = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const themed = (value) => {
    if (typeof value === 'string') return value.startsWith('--') ? colour(value) : value;
    if (Array.isArray(value)) return value.map(themed);
    if (value && typeof value === 'object' && !ArrayBuffer.isView(value)) {
      return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, themed(v)]));
    }
    return value;
  };

  const layout = (figure, range) => {
    const own = themed(figure.layout);
    const axis = {
      gridcolor: colour('--grid'), zerolinecolor: colour('--line'), linecolor: colour('--line'),
      tickfont: { size: 11 }, automargin: true, title: { font: { size: 12 }, standoff: 8 },
    };
    const axes = {};
    for (const name of new Set(['xaxis', 'yaxis', ...Object.keys(own)])) {
      if (!/^[xy]axis\d*$/.test(name)) continue;
      const mine = own[name] || {};
      axes[name] = { ...axis, ...mine, title: { ...axis.title, ...mine.title } };
      // The same margins everywhere, so that the same instant is at the same place in all plots.
      if (figure.time) axes[name].automargin = false;
    }
    if (figure.time && range) axes.xaxis.range = range;
    return {
      paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)', height: figure.height,
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: colour('--muted') },
      margin: { l: 62, r: 14, t: 34, b: 42 }, hovermode: 'x unified', dragmode: 'zoom',
      hoverlabel: { bgcolor: colour('--card'), bordercolor: colour('--line'), font: { color: colour('--text'), size: 12 } },
      legend: { orientation: 'h', x: 0, y: 1.02, yanchor: 'bottom', font: { size: 12 } },
      ...own, ...axes,
    };
  };
  const config = { responsive: true, displaylogo: false, displayModeBar: false, doubleClick: 'reset' };

  // Draws now, and again whenever the theme changes.
  const followTheme = (draw) => {
    const set = (theme) => { root.dataset.theme = theme; draw(); };
    set(dark.matches ? 'dark' : 'light');
    dark.addEventListener('change', (event) => set(event.matches ? 'dark' : 'light'));
    document.getElementById('theme').addEventListener('click', () => {
      set(root.dataset.theme === 'dark' ? 'light' : 'dark');
    });
  };

  return { read, colour, themed, layout, config, followTheme };
})();
