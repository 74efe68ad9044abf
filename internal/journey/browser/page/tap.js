// An audio worklet that hands on what it hears, with the number of the frame at which it heard it.
'use strict';

registerProcessor('tap', class extends AudioWorkletProcessor {
  process([input]) {
    const sound = new Float32Array(128);
    for (const channel of input) for (let i = 0; i < channel.length; i++) sound[i] += channel[i] / input.length;
    this.port.postMessage({ frame: currentFrame, sound });
    return true;
  }
});
