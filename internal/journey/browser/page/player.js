// The page that a test drives: it plays one playlist as the portal does, and keeps account of all that a viewer would have noticed.
// Every function that Go calls is a method of player; it answers with plain data, or throws.
'use strict';

const player = (() => {
  const video = document.getElementById('video');
  const pen = new OffscreenCanvas(16, 9).getContext('2d', { willReadFrequently: true });
  const tick = 20; // ms between two looks at the position
  const seen = { errors: [], stalls: [], jumps: [], loads: { video: 0, audio: 0 } };
  let hls, fatal, tap, started = false, ours = false, stall = null, last = null, known = 0;

  const plain = (ranges) => Array.from({ length: ranges.length }, (_, i) => ({ from: ranges.start(i), to: ranges.end(i) }));
  const bare = (url) => (url || '').split('?')[0]; // a link's query is a key: it stays out of reports
  const details = () => [hls.latestLevelDetails, hls.audioTracks[hls.audioTrack]?.details].filter(Boolean);
  // edge is the end of what the playlists that were loaded so far promise, in picture and sound both.
  const edge = () => Math.min(...details().map((d) => d.edge));
  const growing = () => details().some((d) => d.live);

  function state() {
    const quality = video.getVideoPlaybackQuality();
    const known = details().length > 0;
    const now = stall ? [{ ...stall, ms: performance.now() - stall.since, open: true }] : [];
    return {
      time: video.currentTime, duration: Number.isFinite(video.duration) ? video.duration : 0, rate: video.playbackRate,
      ready: video.readyState, paused: video.paused, ended: video.ended, width: video.videoWidth, height: video.videoHeight,
      buffered: plain(video.buffered), decoded: quality.totalVideoFrames, dropped: quality.droppedVideoFrames,
      growing: known && growing(), edge: known ? edge() : 0,
      loads: { ...seen.loads }, errors: [...seen.errors], stalls: [...seen.stalls, ...now], jumps: [...seen.jumps],
    };
  }

  // gapAt is the end of the gap that a time lies in, where chunks of the picture could not be made; 0 where there is a picture.
  function gapAt(time) {
    const all = hls.latestLevelDetails?.fragments || [];
    let i = all.findIndex((f) => f.gap && f.start <= time && time < f.end);
    if (i < 0) return 0;
    while (i + 1 < all.length && all[i + 1].gap) i++;
    return i + 1 === all.length ? video.duration : all[i].end + 0.01; // a playlist rounds: surely behind it
  }

  // skipGap moves a seek that ends in a gap to its end: hls.js would wait there for ever.
  function skipGap() {
    const end = gapAt(video.currentTime);
    if (end > 0) video.currentTime = end;
  }

  // until waits for a condition that may be true at any moment, and fails on a fatal error or when the limit has passed.
  function until(what, limit, condition) {
    return new Promise((resolve, reject) => {
      const from = performance.now();
      const check = () => {
        let problem;
        if (fatal) problem = `fatal: ${fatal.type} ${fatal.details}: ${fatal.reason}`;
        else if (condition()) { clearInterval(timer); resolve(); return; }
        else if (performance.now() - from > limit) problem = `not within ${limit} ms`;
        else return;
        clearInterval(timer);
        const s = state();
        reject(new Error(`${what}: ${problem}; at ${s.time.toFixed(3)}, ready ${s.ready}, buffered ${JSON.stringify(s.buffered)}, edge ${s.edge.toFixed(3)}`));
      };
      const timer = setInterval(check, tick);
      check();
    });
  }

  // watch compares the position with the clock: a move that playing does not explain is a jump, standing still is a stall.
  function watch() {
    const now = performance.now(), at = video.currentTime;
    if (last && !video.seeking && !ours) {
      const rate = Math.max(last.rate, video.playbackRate), explained = ((now - last.now) / 1000) * rate;
      if (at - last.at > explained + 0.1 + 0.1 * rate || at < last.at - 0.05) seen.jumps.push({ from: last.at, to: at });
      if (stall && Math.abs(at - stall.at) > 0.001) endStall(now);
    }
    last = { now, at, rate: video.playbackRate };
    if (!video.seeking) known = at;
  }

  function endStall(now) {
    if (stall && now - stall.since > 250) seen.stalls.push({ ...stall, ms: now - stall.since, open: false });
    stall = null;
  }

  function listen() {
    video.addEventListener('playing', () => { started = true; });
    video.addEventListener('waiting', () => {
      if (!started || ours || stall) return;
      const at = video.currentTime;
      const ahead = plain(video.buffered).find((r) => r.from <= at && at <= r.to)?.to - at || 0;
      stall = { at, since: performance.now(), ahead, edge: growing() && at > edge() - 0.5 };
    });
    video.addEventListener('seeking', () => {
      skipGap();
      if (ours) return; // else hls.js has moved the position, over a hole or off a spot where it stuck
      seen.jumps.push({ from: known, to: video.currentTime });
      last = null;
    });
    hls.on(Hls.Events.LEVEL_LOADED, () => { seen.loads.video++; });
    hls.on(Hls.Events.AUDIO_TRACK_LOADED, () => { seen.loads.audio++; });
    hls.on(Hls.Events.ERROR, (_, e) => {
      const one = {
        type: e.type, details: e.details, fatal: e.fatal, status: e.response?.code || 0,
        url: bare(e.frag?.url || e.url || e.context?.url), reason: bare(e.error?.message || e.reason),
      };
      seen.errors.push(one);
      if (e.fatal) fatal = fatal || one;
    });
    setInterval(watch, tick);
  }

  // play does not wait for playing to begin, which may never be: whoever needs that waits for the position. A refusal is an ERROR of the source.
  function play() {
    if (!video.ended) video.play().catch(() => {});
  }

  // open loads a playlist and resolves when the first picture moves.
  async function open(playlist, limit) {
    hls = new Hls({ startPosition: 0, enableWorker: false }); // as the portal does
    listen();
    hls.loadSource(playlist);
    hls.attachMedia(video);
    hls.once(Hls.Events.MANIFEST_PARSED, play);
    await until('start', limit, () => started && video.currentTime > 0);
  }

  // seek moves the position, waits for the picture there, and then for the position to advance: ms in all, and ms more than playing takes.
  // hls.js may land late: where the picture is there before the sound, it takes the missing sound for a hole and goes to where it has both. Seeking
  // again helps, since by then it knows what to load.
  async function seek(to, advance, limit) {
    endStall(performance.now());
    ours = true;
    last = null;
    const from = performance.now();
    let at = 0, tries = 0;
    const note = () => { at = video.currentTime; };
    const landed = () => Math.abs(at - to) < 0.05 || gapAt(to) > 0 || to >= video.duration;
    video.addEventListener('seeked', note);
    try {
      for (; tries === 0 || (tries < 4 && !landed()); tries++) {
        let done = false;
        video.addEventListener('seeked', () => { done = true; }, { once: true });
        video.currentTime = to;
        await until(`seek to ${to}`, limit, () => done && !video.seeking);
      }
    } finally {
      ours = false; // from here on a jump or a stall is nobody's wish
      video.removeEventListener('seeked', note);
    }
    const ms = performance.now() - from;
    play();
    await until(`advance from ${to}`, limit, () => video.ended || video.currentTime >= at + advance);
    const moved = video.currentTime - at, took = performance.now() - from - ms;
    return { to, landed: at, tries, seekMs: ms, stalledMs: Math.max(0, took - (moved / video.playbackRate) * 1000), moved, ended: video.ended };
  }

  // reach plays on, at a rate, until a position.
  async function reach(to, rate, limit) {
    video.playbackRate = rate;
    play();
    try {
      await until(`play to ${to}`, limit, () => video.ended || video.currentTime >= to);
    } finally {
      video.playbackRate = 1;
    }
  }

  // look is one presented frame: its time, and how bright it is.
  function look(metadata) {
    pen.drawImage(video, 0, 0, 16, 9);
    const { data } = pen.getImageData(0, 0, 16, 9);
    let sum = 0;
    for (let i = 0; i < data.length; i += 4) sum += data[i] + data[i + 1] + data[i + 2];
    return { time: metadata.mediaTime, light: sum / (data.length / 4) / 765 };
  }

  // frames lists the frames that are presented while so many seconds of media play.
  async function frames(seconds, rate, limit) {
    const list = [], end = video.currentTime + seconds;
    let first, newest, done = false;
    const one = (_, m) => {
      if (done) return;
      first ??= m.presentedFrames;
      newest = m.presentedFrames;
      list.push(look(m));
      video.requestVideoFrameCallback(one);
    };
    video.requestVideoFrameCallback(one);
    try {
      await reach(end, rate, limit);
    } finally {
      done = true;
    }
    return { frames: list, missed: list.length ? newest - first + 1 - list.length : 0 };
  }

  // stills lists the frame that is shown at each of some times, where the player stands still: none is missed, however busy the machine.
  async function stills(times, limit) {
    const list = [];
    video.pause();
    ours = true;
    try {
      for (const time of times) {
        let shown, done = false;
        video.requestVideoFrameCallback((_, m) => { shown = m; });
        video.addEventListener('seeked', () => { done = true; }, { once: true });
        video.currentTime = time;
        await until(`still at ${time}`, limit, () => done && shown);
        list.push(look(shown));
      }
    } finally {
      ours = false;
      last = null;
    }
    return { frames: list, missed: 0 };
  }

  // hear begins to hand the sound to a worklet instead of nowhere. The worklet counts in the context's frames; since both clocks are driven by
  // the same rendering, the media's position less the context's is constant while nothing runs dry, and jitters downwards by one block of 128.
  async function hear() {
    if (tap) return;
    const context = new AudioContext({ sampleRate: 48000 });
    await context.audioWorklet.addModule('tap.js');
    tap = new AudioWorkletNode(context, 'tap', { numberOfOutputs: 0 });
    context.createMediaElementSource(video).connect(tap);
    video.muted = false; // a muted element hands on silence
    await context.resume();
  }

  // claps lists when the sound, after a tenth of a second of quiet, gets loud: in seconds of media. Where the sound ran dry the context went on without
  // the media; so the two clocks must go together before a clap and after it, or else it is listened to again.
  async function claps(from, seconds, limit) {
    await hear();
    for (let tries = 0; tries < 5; tries++) {
      const { heard, clocks } = await record(from, seconds, limit);
      const times = heard.map((at) => {
        const before = middle(clocks.filter((c) => c.at <= at).slice(-9)), after = middle(clocks.filter((c) => c.at > at).slice(0, 9));
        return Math.abs(before - after) < 0.003 ? at + Math.max(before, after) : NaN;
      });
      if (!times.some(Number.isNaN)) return times;
    }
    throw new Error('claps: the machine is too busy to play sound without breaks');
  }

  // middle is the median of how far the media was ahead of the context.
  const middle = (clocks) => clocks.map((c) => c.ahead).sort((a, b) => a - b)[clocks.length >> 1];

  // record plays a part of the sound, and lists when it got loud, in the context's time, and how far the media was ahead of that all the while.
  async function record(from, seconds, limit) {
    const loud = 0.1, silence = 0.1, heard = [], clocks = [];
    const { context } = tap;
    let quiet = 0, timer;
    await seek(from, 0, limit);
    tap.port.onmessage = ({ data: { frame, sound } }) => sound.forEach((v, i) => {
      if (Math.abs(v) < loud) { quiet++; return; }
      if (quiet >= silence * context.sampleRate) heard.push((frame + i) / context.sampleRate);
      quiet = 0;
    });
    try {
      timer = setInterval(() => clocks.push({ at: context.currentTime, ahead: video.currentTime - context.currentTime }), 7);
      await reach(from + seconds, 1, limit);
    } finally {
      clearInterval(timer);
      tap.port.onmessage = null;
    }
    return { heard, clocks };
  }

  function pause() { video.pause(); }

  return { open, state, seek, reach, frames, stills, claps, pause };
})();
