'use strict';
(() => {
  const { themed, layout, config } = page;
  const figures = page.read('figures');
  const words = page.read('words');
  const root = document.documentElement;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // ---- language
  const said = (text) => (root.lang === 'ja' && words[text]) || text;
  const localised = (value) => {
    if (typeof value === 'string') return said(value);
    if (Array.isArray(value)) return value.map(localised);
    if (value && typeof value === 'object' && !value.bdata && !ArrayBuffer.isView(value)) {
      return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, localised(v)]));
    }
    return value;
  };
  const speak = (language) => {
    root.lang = language;
    for (const element of all('[data-t]')) {
      element.dataset.t = element.dataset.t || element.textContent;
      element.textContent = said(element.dataset.t);
    }
    const button = document.getElementById('language');
    button.textContent = language === 'ja' ? 'English' : '日本語';
    button.lang = language === 'ja' ? 'en' : 'ja';
    button.setAttribute('aria-label', language === 'ja' ? 'Show in English' : '日本語で表示');
  };

  // ---- one recording over time
  const floats = (packed) => new Float32Array(
    Uint8Array.from(atob(packed.bdata), (c) => c.charCodeAt(0)).buffer);
  const unpacked = {};
  const timelineOf = (number) => {
    if (!unpacked[number]) {
      const raw = page.read(`timeline-${number}`);
      const line = (packed) => ({ ...packed, x: floats(packed.x), y: floats(packed.y) });
      unpacked[number] = {
        ...raw, measured: raw.measured.map(line), commanded: raw.commanded.map(line),
        error: line(raw.error), forces: raw.forces.map(line),
        chunks: { starts: floats(raw.chunks.starts), after: raw.chunks.after, y: raw.chunks.y.map(floats) },
      };
    }
    return unpacked[number];
  };
  // A fan a chunk, with a break after each, and a mark where each begins.
  const fans = ({ starts, after, y }, joint) => {
    const rows = after.length;
    const x = new Float32Array(starts.length * (rows + 1));
    const out = new Float32Array(x.length).fill(NaN);
    starts.forEach((start, chunk) => {
      for (let row = 0; row < rows; row += 1) {
        x[chunk * (rows + 1) + row] = start + after[row];
        out[chunk * (rows + 1) + row] = y[joint][chunk * rows + row];
      }
      x[chunk * (rows + 1) + rows] = start + (after[rows - 1] || 0);
    });
    return { x, y: out };
  };
  // Told apart without colours, too.
  const patterns = { LIMITING: '/', STOPPING: 'x', STOPPED: '\\', FAULT: '+' };
  const extent = (lines, range) => {
    let low = Infinity;
    let high = -Infinity;
    for (const { x, y } of lines) {
      for (let i = 0; i < x.length; i += 1) {
        if (x[i] >= range[0] && x[i] <= range[1] && Number.isFinite(y[i])) {
          low = Math.min(low, y[i]);
          high = Math.max(high, y[i]);
        }
      }
    }
    return low <= high ? [low, high] : [0, 1];
  };

  const state = { bag: null, joint: 0, range: null };
  const line = (data, name, style, yaxis, more = {}) => ({
    type: 'scatter', mode: 'lines', name, x: data.x, y: data.y, line: style, yaxis,
    hovertemplate: '%{y:.2f}°', ...more,
  });
  const motion = (bag) => ({
    measured: bag.measured[state.joint], commanded: bag.commanded[state.joint],
    proposed: bag.chunks.y.length ? fans(bag.chunks, state.joint) : null,
  });
  const strip = (bag) => [
    ...bag.modes.map((mode) => ({
      type: 'bar', orientation: 'h', name: mode.mode, yaxis: 'y4', width: 0.8,
      y: mode.text.map(() => 1), base: floats(mode.start), x: floats(mode.length),
      customdata: mode.text.map((index) => [mode.mode, mode.texts[index]]),
      marker: {
        color: mode.known ? `--mode-${mode.mode.toLowerCase()}` : '--muted', line: { width: 0 },
        pattern: { shape: patterns[mode.mode] || '', fillmode: 'overlay', fgcolor: '--card', fgopacity: 0.6, size: 6 },
      },
      legend: 'legend2', hovertemplate: '%{customdata[0]} · %{customdata[1]}<br>%{base:.2f} … %{x:.2f} s<extra></extra>',
    })),
    ...(bag.gaps.length ? [{
      type: 'bar', orientation: 'h', name: 'pauses', yaxis: 'y4', width: 0.8, legend: 'legend2',
      y: bag.gaps.map(() => 0), base: bag.gaps.map((gap) => gap[1]),
      x: bag.gaps.map((gap) => gap[2] - gap[1]), customdata: bag.gaps.map((gap) => gap[0]),
      marker: { color: '--warn', line: { width: 0 }, pattern: { shape: '.', fillmode: 'overlay', fgcolor: '--card' } },
      hovertemplate: '%{customdata}<br>%{base:.2f} … %{x:.2f} s<extra></extra>',
    }] : []),
  ];
  const traces = (bag) => {
    const { measured, commanded, proposed } = motion(bag);
    const data = strip(bag);
    if (proposed) data.push(line(proposed, 'proposed', { color: '--joint-2', width: 1.1 }, 'y', { opacity: 0.75, hoverinfo: 'skip', hovertemplate: null }));
    if (measured) data.push(line(measured, 'measured', { color: '--joint-1', width: 2.2 }, 'y'));
    if (commanded) data.push(line(commanded, 'commanded', { color: '--text', width: 1.2, dash: 'dot' }, 'y'));
    data.push(line(bag.error, 'error [°]', { color: '--joint-4', width: 1.5 }, 'y2', { showlegend: false, mode: 'lines+markers', marker: { size: 3.5, color: '--joint-4' } }));
    const top = extent([bag.error], [-Infinity, Infinity])[1];
    if (bag.moments.length) {
      data.push({
        type: 'scatter', mode: 'markers+text', name: 'worst moment', yaxis: 'y2', showlegend: false,
        x: bag.moments.map((moment) => moment[0]), y: bag.moments.map(() => 1.16 * top),
        text: bag.moments.map((_, index) => String(index + 1)), customdata: bag.moments.map((moment) => moment[1]),
        textfont: { color: '--card', size: 11 }, cliponaxis: false,
        marker: { symbol: 'circle', size: 18, color: '--accent' }, hovertemplate: '%{customdata}<extra></extra>',
      });
    }
    bag.forces.forEach((force, index) => data.push(line(
      force, `|F| ${force.name}`, { color: `--joint-${(index + 2) % 6 + 1}`, width: 1.6, dash: ['solid', 'dash', 'dot'][index % 3] },
      'y3', { hovertemplate: '%{y:.1f} N', legend: 'legend3', showlegend: bag.forces.length > 1 })));
    return data;
  };
  const across = (y, yref, text, tint, dash) => [
    { type: 'line', xref: 'paper', x0: 0, x1: 1, yref, y0: y, y1: y, line: { color: tint, width: 1.3, dash } },
    { xref: 'paper', x: 1, xanchor: 'right', yref, y, yanchor: 'bottom', text, showarrow: false, font: { color: tint, size: 11 } },
  ];
  const ranges = (bag) => {
    const range = state.range || [0, bag.duration || 1];
    const { measured, commanded, proposed } = motion(bag);
    const [low, high] = extent([measured, commanded, proposed].filter(Boolean), range);
    const margin = Math.max(0.5, 0.06 * (high - low));
    return { range, position: [low - margin, high + margin] };
  };
  const timelineFigure = (bag) => {
    const { range, position } = ranges(bag);
    const shapes = bag.gaps.map(([, x0, x1]) => ({
      type: 'rect', xref: 'x', yref: 'paper', x0, x1, y0: 0, y1: 0.82, fillcolor: '--warn', opacity: 0.13, line: { width: 0 }, layer: 'below',
    }));
    for (const [at] of bag.moments) {
      shapes.push({ type: 'line', xref: 'x', yref: 'paper', x0: at, x1: at, y0: 0, y1: 0.82, line: { color: '--accent', width: 1, dash: 'dot' }, opacity: 0.5, layer: 'below' });
    }
    const annotations = [];
    const add = ([shape, note]) => { shapes.push(shape); annotations.push(note); };
    for (const limit of bag.limits[state.joint] || []) add(across(limit, 'y', `${limit.toFixed(0)}°`, '--bad', 'dash'));
    let force = extent(bag.forces, [-Infinity, Infinity])[1];
    for (const each of bag.forces) {
      const of = bag.forces.length > 1 ? ` ${each.name}` : '';
      if (each.stop !== null) add(across(each.stop, 'y3', `stop ${each.stop} N${of}`, '--bad', 'dash'));
      if (each.slow !== null) add(across(each.slow, 'y3', `slow down ${each.slow} N${of}`, '--warn', 'dot'));
      force = Math.max(force, each.stop || 0);
    }
    const error = Math.max(extent([bag.error], [-Infinity, Infinity])[1], 1e-3);
    const small = { orientation: 'h', x: 0, yanchor: 'bottom', font: { size: 11.5 } };
    const own = {
      xaxis: { title: { text: 'time [s]' }, range, anchor: bag.forces.length ? 'y3' : 'y2' },
      yaxis: { title: { text: 'position [°]' }, domain: bag.forces.length ? [0.45, 0.82] : [0.32, 0.82], range: position },
      yaxis2: { title: { text: 'error [°]' }, domain: bag.forces.length ? [0.23, 0.4] : [0, 0.26], range: [0, 1.38 * error] },
      yaxis3: { title: { text: 'force [N]' }, domain: [0, 0.17], range: [0, 1.25 * force], visible: bag.forces.length > 0 },
      yaxis4: {
        domain: [0.9, 0.98], fixedrange: true, showgrid: false, zeroline: false, range: [bag.gaps.length ? -0.5 : 0.5, 1.5],
        tickvals: [1, 0], ticktext: ['mode', 'pauses'],
      },
      barmode: 'overlay', bargap: 0, hovermode: 'x', hoversubplots: 'axis', shapes, annotations,
      margin: { l: 66, r: 14, t: 26, b: 42 },
      legend: { ...small, y: 0.825 }, legend2: { ...small, y: 1.0 }, legend3: { ...small, y: 0.175 },
    };
    return { data: traces(bag), layout: own, height: 760, time: true };
  };

  // ---- drawing
  const names = Object.keys(figures).filter((name) => document.getElementById(name));
  const place = document.getElementById('timeline');
  const put = (id, figure) => {
    const where = document.getElementById(id);
    const shown = { ...figure, layout: localised(figure.layout) };
    const data = figure.data.map((trace) => ({ ...themed(trace), name: said(trace.name) }));
    const finished = layout(shown);
    // Plotly takes a moment to see that its place has become narrower; the printer does not wait.
    if (root.classList.contains('printing')) finished.width = where.clientWidth;
    return Plotly.react(where, data, finished, config);
  };
  let drawing = false;
  const drawTimeline = () => {
    if (state.bag === null) return;
    drawing = true;
    put('timeline', timelineFigure(timelineOf(state.bag))).then(() => { drawing = false; });
  };
  const draw = () => {
    names.forEach((name) => put(name, figures[name]));
    drawTimeline();
  };
  const zoom = (range) => {
    state.range = range;
    drawTimeline();
  };
  const choose = (number) => {
    state.bag = number;
    state.range = null;
    const bag = timelineOf(number);
    const select = document.getElementById('joint');
    select.replaceChildren(...bag.joints.map((joint, index) => new Option(joint, index)));
    state.joint = bag.first;
    select.value = String(bag.first);
    all('.panel').forEach((panel) => { panel.hidden = panel.id !== `panel-${number}`; });
    all('.episodes button').forEach((chip) => chip.setAttribute('aria-pressed', String(chip.dataset.bag === number)));
    drawTimeline();
  };
  const still = window.matchMedia('(prefers-reduced-motion: reduce)').matches;
  const show = (element) => element.scrollIntoView({ behavior: still ? 'auto' : 'smooth', block: 'start' });
  const goTo = (seconds) => {
    zoom([seconds - 1.5, seconds + 1.5]);
    show(place);
  };

  if (place) {
    const first = document.querySelector('.episodes button');
    all('.episodes button').forEach((chip) => chip.addEventListener('click', () => choose(chip.dataset.bag)));
    all('#bags [data-bag]').forEach((name) => name.addEventListener('click', () => {
      choose(name.dataset.bag);
      show(document.querySelector('.episodes'));
    }));
    all('.moment').forEach((moment) => moment.addEventListener('click', () => goTo(Number(moment.dataset.at))));
    document.getElementById('whole').addEventListener('click', () => zoom(null));
    document.getElementById('joint').addEventListener('change', (event) => {
      state.joint = Number(event.target.value);
      drawTimeline();
    });
    state.bag = first.dataset.bag;
  }

  // ---- the table of recordings
  all('#bags th button').forEach((button, column) => button.addEventListener('click', () => {
    const title = button.parentElement;
    const descending = title.ariaSort === 'ascending';
    all('#bags th').forEach((each) => each.removeAttribute('aria-sort'));
    title.ariaSort = descending ? 'descending' : 'ascending';
    const key = (row) => row.children[column].dataset.v;
    // What could not be measured stands last, either way.
    const compare = (a, b) => {
      if (key(a) === '' || key(b) === '') return (key(a) === '') - (key(b) === '');
      const [x, y] = [Number(key(a)), Number(key(b))];
      const order = Number.isNaN(x) || Number.isNaN(y) ? key(a).localeCompare(key(b), undefined, { numeric: true }) : x - y;
      return descending ? -order : order;
    };
    const body = document.querySelector('#bags tbody');
    body.append(...[...body.children].sort(compare));
  }));

  // ---- start
  speak(navigator.language.startsWith('ja') ? 'ja' : 'en');
  if (state.bag !== null) choose(state.bag);
  page.followTheme(draw);
  document.getElementById('language').addEventListener('click', () => {
    speak(root.lang === 'ja' ? 'en' : 'ja');
    draw();
  });
  if (place) {
    place.on('plotly_click', (event) => {
      const point = event.points.find((each) => each.data.name === said('worst moment'));
      if (point) goTo(point.x);
    });
    place.on('plotly_relayout', (event) => {
      if (drawing) return;
      if ('xaxis.range[0]' in event) zoom([event['xaxis.range[0]'], event['xaxis.range[1]']]);
      else if ('xaxis.autorange' in event || 'xaxis.range' in event) zoom(null);
    });
  }
  // Paper is white and narrow: laid out before printing begins, so that all pages are counted.
  let before = null;
  window.addEventListener('beforeprint', () => {
    before = { theme: root.dataset.theme, closed: all('details:not([open])') };
    root.dataset.theme = 'light';
    root.classList.add('printing');
    before.closed.forEach((each) => { each.open = true; });
    draw();
  });
  window.addEventListener('afterprint', () => {
    root.dataset.theme = before.theme;
    root.classList.remove('printing');
    before.closed.forEach((each) => { each.open = false; });
    draw();
    all('.js-plotly-plot').forEach((plot) => Plotly.Plots.resize(plot));
  });
})();
