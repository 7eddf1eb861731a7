// The U-Net of ddpm_edu/unet.py: the same walk, over the layers that unet.c is compiled to.  No DOM.
//
// The worker gets the text of these functions, so they use nothing from outside but one another.

/** Numbers in half precision, given as their 16 bits each, in single precision. */
export function halfToFloat(halves) {
  const powers = Array.from({ length: 32 }, (_, exponent) => 2 ** (exponent - 25)); // of a fraction counted in 1024ths
  return new Float32Array(halves.length).map((_, k) => {
    const [exponent, fraction, sign] = [(halves[k] >> 10) & 31, halves[k] & 1023, halves[k] & 32768 ? -1 : 1];
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * (exponent ? powers[exponent] * (1024 + fraction) : powers[1] * fraction);
  });
}

/** The sines and cosines of a step number that the network is told; rounded where PyTorch rounds. */
export function timeWaves(t, channels) {
  const half = channels / 2;
  const angles = Array.from({ length: half }, (_, k) => Math.fround(t * Math.fround(10000 ** Math.fround(-k / half))));
  return Float32Array.from([...angles.map(Math.sin), ...angles.map(Math.cos)]);
}

/** Why the page cannot run a U-Net of this configuration, as a sentence; '' where it can. */
export function whyNotUNet(config) {
  const smallest = config.image_size / 2 ** (config.multipliers.length - 1);
  if ((config.attention || []).length) return 'The page’s network has no attention, and this configuration asks for it.';
  if ((config.fourier || []).length) return 'The page’s network takes no Fourier features, and this configuration asks for them.';
  if ((config.outputs || 1) !== 1) return `The page’s network answers with one channel, the noise, and this configuration has ${config.outputs}.`;
  if (config.channels % 4) return `The page’s network counts channels in fours, and this configuration has ${config.channels}.`;
  if (smallest < 4) return `The page’s network needs maps of 4 × 4 pixels or more, and the smallest of this configuration has ${smallest} × ${smallest}.`;
  return '';
}

/**
 * The network: { eps(x_t, t), parameters }, where x_t and the answer are Float32Arrays of size × size numbers, row by row.
 *
 * description: { unet: UNetConfig as JSON, tensors: [[name, shape], …] in the order of the weights }.
 * halves: Uint16Array, the weights in half precision.  program: the compiled unet.c, a WebAssembly.Module.
 * Throws an Error with a sentence where the configuration or the weights are of another kind of network.
 */
export async function makeUNet(description, halves, program) {
  const config = description.unet;
  const reason = whyNotUNet(config);
  if (reason) throw new Error(reason);
  const layers = (await WebAssembly.instantiate(program)).exports;

  // Memory is laid out here, once.  A place is an address in bytes.
  let end = layers.__heap_base.value;
  const room = (count) => {
    const place = (end + 15) & ~15;
    end = place + 4 * count;
    const missing = Math.ceil((end - layers.memory.buffer.byteLength) / 65536);
    if (missing > 0) layers.memory.grow(missing);
    return place;
  };
  const at = (place, count) => new Float32Array(layers.memory.buffer, place, count);
  const keep = (values) => {
    const place = room(values.length);
    at(place, values.length).set(values);
    return place;
  };
  const map = (size, channels) => ({ place: room((size + 2) ** 2 * channels), size, channels });
  const passing = new Map(); // maps that the next layer uses up, one for each shape
  const passingMap = (size, channels) => {
    const shape = `${size} ${channels}`;
    if (!passing.has(shape)) passing.set(shape, map(size, channels));
    return passing.get(shape);
  };

  const weights = halfToFloat(halves);
  const tensors = new Map();
  let parameters = 0;
  for (const [name, shape] of description.tensors) {
    const count = shape.reduce((a, b) => a * b, 1);
    tensors.set(name, { shape: shape.join(' × '), values: weights.subarray(parameters, parameters + count) });
    parameters += count;
  }
  if (parameters !== weights.length) throw new Error(`The network needs ${parameters} weights, but ${weights.length} came.`);
  const take = (name, ...shape) => {
    const wanted = shape.join(' × ');
    const found = tensors.get(name);
    if (!found || found.shape !== wanted) throw new Error(`The weights lack ${name} of shape ${wanted}.`);
    tensors.delete(name);
    return found.values;
  };

  // Each of these adds a layer to the walk and says where its result will lie.
  const walk = [];
  const linear = (name, x, n, m) => {
    const [w, b, y] = [keep(take(`${name}.weight`, m, n)), keep(take(`${name}.bias`, m)), room(m)];
    walk.push(() => layers.linear(x, n, w, b, y, m));
    return y;
  };
  const silu = (x, count) => {
    walk.push(() => layers.silu(x, count));
    return x;
  };
  const norm = (name, x, time = 0) => {
    const [gamma, beta] = [keep(take(`${name}.weight`, x.channels)), keep(take(`${name}.bias`, x.channels))];
    const y = passingMap(x.size, x.channels);
    const aside = room(2 * x.channels);
    walk.push(() => layers.norm(x.place, x.size, x.channels, config.groups, gamma, beta, time, aside, y.place));
    return y;
  };
  const convolve = (name, x, channels, { taps = 3, stride = 1, added = { place: 0 } } = {}) => {
    const values = take(`${name}.weight`, channels, x.channels, taps, taps);
    const wide = Math.ceil(channels / 4) * 4; // the last layer has one channel and is given three more, of zeros
    const turned = new Float32Array(taps * taps * x.channels * wide); // from [out][in][tap] to [tap][in][out]
    let k = 0;
    for (let out = 0; out < channels; out++) {
      for (let c = 0; c < x.channels; c++) {
        for (let tap = 0; tap < taps * taps; tap++) turned[(tap * x.channels + c) * wide + out] = values[k++];
      }
    }
    const bias = new Float32Array(wide);
    bias.set(take(`${name}.bias`, channels));
    const [w, b, y] = [keep(turned), keep(bias), map(x.size / stride, wide)];
    walk.push(() => layers.convolve(x.place, x.channels, w, b, taps, stride, added.place, y.place, y.size, wide));
    return y;
  };
  const upsample = (x) => {
    const y = passingMap(2 * x.size, x.channels);
    walk.push(() => layers.upsample(x.place, x.size, x.channels, y.place));
    return y;
  };
  const join = (a, b) => {
    const y = map(a.size, a.channels + b.channels);
    walk.push(() => layers.join(a.place, a.channels, b.place, b.channels, y.place, a.size));
    return y;
  };

  // The walk itself, as in ddpm_edu/unet.py.
  const { channels: width, multipliers, blocks, image_size: size } = config;
  const waves = room(width);
  const time = silu(linear('time.2', silu(linear('time.0', waves, width, 4 * width), 4 * width), 4 * width, 4 * width), 4 * width);
  const residual = (name, x, channels) => {
    const scaleAndShift = linear(`${name}.time`, time, 4 * width, 2 * channels);
    const h = convolve(`${name}.conv_1`, norm(`${name}.norm_1`, x), channels);
    const added = x.channels === channels ? x : convolve(`${name}.skip`, x, channels, { taps: 1 });
    return convolve(`${name}.conv_2`, norm(`${name}.norm_2`, h, scaleAndShift), channels, { added });
  };
  const image = map(size, 1);
  let h = convolve('first', image, width);
  const kept = [h];
  let layer = 0;
  multipliers.forEach((multiplier, level) => {
    if (level > 0) kept.push((h = convolve(`down.${layer++}`, h, h.channels, { stride: 2 })));
    for (let k = 0; k < blocks; k++) kept.push((h = residual(`down.${layer++}.block`, h, width * multiplier)));
  });
  h = residual('middle.0.block', h, h.channels);
  h = residual('middle.1', h, h.channels);
  layer = 0;
  for (let level = multipliers.length - 1; level >= 0; level--) {
    for (let k = 0; k <= blocks; k++) h = residual(`up.${layer++}.block`, join(h, kept.pop()), width * multipliers[level]);
    if (level > 0) h = convolve(`up.${layer++}.1`, upsample(h), h.channels);
  }
  const answer = convolve('last.2', norm('last.0', h), 1);
  if (tensors.size) throw new Error(`The weights hold ${[...tensors.keys()].join(', ')}, which this network does not have.`);

  const eps = (x, t) => {
    at(waves, width).set(timeWaves(t, width));
    for (let i = 0; i < size; i++) at(image.place + 4 * ((i + 1) * (size + 2) + 1), size).set(x.subarray(i * size, (i + 1) * size));
    for (const step of walk) step();
    const found = at(answer.place, (size + 2) ** 2 * answer.channels);
    return Float32Array.from(x, (_, k) => found[((Math.floor(k / size) + 1) * (size + 2) + (k % size) + 1) * answer.channels]);
  };
  return { eps, parameters };
}
