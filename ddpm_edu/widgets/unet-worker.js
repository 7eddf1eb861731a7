// The network in workers of its own, so that the page stays alive while it draws; and where its weights come from.

import { scheduleOf } from './betas.js';
import { ddimTimes, denoise, imageBehind, mixture } from './denoising.js';
import { fillNormal, randomIntegers } from './random.js';
import { halfToFloat, makeUNet, timeWaves, whyNotUNet } from './unet.js';

/** What the worker is made of; a classic worker from a Blob is the one kind that a page opened as a file may start. */
const WORKER_PARTS = [scheduleOf, fillNormal, randomIntegers, halfToFloat, timeWaves, whyNotUNet, makeUNet, ddimTimes, imageBehind, mixture, denoise];

/**
 * The worker's own part.  Messages to it: load, start, pause, resume, stop; see openUNet.
 * From it: loaded; step and done, each with the number of its walk; failed.
 */
function unetWorker() {
  let network = null;
  let schedule = null;
  let size = 0; // numbers in an image
  let current = 0; // the number of the walk under way; 0 for none
  let paused = false;
  let wake = () => {};

  // Between two evaluations messages get their turn.  A timer would make each wait for 4 ms; a message of our own does not.
  const { port1, port2 } = new MessageChannel();
  const breath = () =>
    new Promise((done) => {
      port1.onmessage = done;
      port2.postMessage(0);
    });

  const actions = {
    async load({ description, weights, program }) {
      network = await makeUNet(description, new Uint16Array(weights), await WebAssembly.compile(program));
      schedule = scheduleOf(Float64Array.from(description.beta));
      size = description.unet.image_size ** 2;
      self.postMessage({ type: 'loaded' });
    },
    async start({ walk, number, place, count, sampler, steps, times, x_T, ...how }) {
      current = walk;
      paused = false;
      wake();
      const path = times || ddimTimes(schedule.T, sampler === 'ancestral' ? schedule.T : steps);
      const walks = Array.from({ length: count }, (_, k) => {
        const start = x_T && Float32Array.from(x_T.slice((place + k) * size, (place + k + 1) * size));
        return denoise(network.eps, schedule, { ...how, sampler, times: path, number: number + k, size, x_T: start });
      });
      let seconds = 0;
      for (let step = 0; step <= path.length; step++) {
        const x_t = new Float32Array(count * size);
        const x_0 = step ? new Float32Array(count * size) : null;
        let t = 0;
        for (const [k, one] of walks.entries()) {
          const begun = performance.now();
          const { value } = one.next();
          seconds += (performance.now() - begun) / 1000;
          t = value.t;
          x_t.set(value.x_t, k * size);
          if (x_0) x_0.set(value.x_0, k * size);
          await breath();
          while (paused && current === walk) await new Promise((done) => (wake = done));
          if (current !== walk) return;
        }
        const buffers = x_0 ? [x_t.buffer, x_0.buffer] : [x_t.buffer];
        self.postMessage({ type: 'step', walk, place, step, of: path.length, t, x_t, x_0, seconds }, buffers);
      }
      current = 0;
      self.postMessage({ type: 'done', walk, of: path.length, seconds });
    },
    pause() {
      paused = true;
    },
    resume() {
      paused = false;
      wake();
    },
    stop() {
      current = 0;
      wake();
    },
  };
  self.onmessage = ({ data }) => {
    Promise.resolve(data)
      .then((message) => actions[message.type](message))
      .catch((error) => self.postMessage({ type: 'failed', walk: data.walk, message: error.message }));
  };
}

function bytesOf(base64) {
  return Uint8Array.fromBase64 ? Uint8Array.fromBase64(base64) : Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

/** The built page's weights: scripts in its _static folder, which work from a file too.  Piece 0 describes the others. */
async function parcelFromScripts(check, progress) {
  const folder = `${document.documentElement.dataset.content_root || ''}_static/`;
  const pieces = (window.ddpmWeights = window.ddpmWeights || []);
  const piece = async (k) => {
    if (pieces[k] === undefined) {
      await new Promise((done, fail) => {
        const script = document.createElement('script');
        script.src = `${folder}digits-weights-${k}.js`;
        script.onload = done;
        script.onerror = () => fail(new Error(`The network’s weights could not be loaded: ${script.src} is missing.`));
        document.head.append(script);
        script.addEventListener('load', () => script.remove());
      });
    }
    return pieces[k];
  };
  const { description, program, count } = await piece(0);
  const code = bytesOf(program);
  check(code);
  const parts = [];
  for (let k = 1; k <= count; k++) {
    parts.push(bytesOf(await piece(k)));
    progress(k / count);
  }
  const weights = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let place = 0;
  for (const part of parts) {
    weights.set(part, place);
    place += part.length;
  }
  return { description, program: code.buffer, weights: weights.buffer };
}

/** A notebook's weights: asked from the kernel, which answers with one message, unless it is gone. */
function parcelFromKernel(model, check, progress) {
  return new Promise((done, fail) => {
    const silence = setTimeout(() => {
      model.off('msg:custom', heard);
      fail(new Error('The notebook’s kernel did not answer. Run the cell again, then press once more.'));
    }, 60_000);
    const heard = (message, buffers) => {
      if (!message || message.type !== 'weights') return;
      clearTimeout(silence);
      model.off('msg:custom', heard);
      if (message.error) return fail(new Error(message.error));
      const [program, weights] = buffers.map((view) => new Uint8Array(view.buffer || view, view.byteOffset || 0, view.byteLength).slice());
      try {
        check(program);
      } catch (error) {
        return fail(error);
      }
      progress(1);
      done({ description: message.description, program: program.buffer, weights: weights.buffer });
    };
    model.on('msg:custom', heard);
    model.send({ type: 'weights' });
  });
}

/** A worker that has loaded the network. */
function loadedWorker(parcel) {
  const address = URL.createObjectURL(new Blob([`'use strict';\n${WORKER_PARTS.join('\n')}\n(${unetWorker})();`], { type: 'text/javascript' }));
  const worker = new Worker(address);
  return new Promise((done, fail) => {
    worker.onmessage = ({ data }) => (data.type === 'loaded' ? done(worker) : fail(new Error(data.message)));
    worker.onerror = () => fail(new Error('This browser could not start the network’s worker.'));
    worker.postMessage({ type: 'load', ...parcel });
  })
    .catch((error) => {
      worker.terminate();
      throw error;
    })
    .finally(() => URL.revokeObjectURL(address));
}

/**
 * Loads the weights and starts the workers, which share the images of a walk; see the methods for what they then do.
 *
 * model: the anywidget's.  progress(share): how much of the weights has come, 0…1.
 * Rejects with an Error whose message is a sentence for the reader.
 */
export async function openUNet({ model, progress = () => {}, workers = Math.min(4, navigator.hardwareConcurrency - 1) }) {
  const lacking = 'This browser cannot run the network: it has no';
  if (typeof Worker !== 'function') throw new Error(`${lacking} workers.`);
  if (typeof WebAssembly !== 'object') throw new Error(`${lacking} WebAssembly.`);
  const check = (program) => {
    if (!WebAssembly.validate(program)) throw new Error(`${lacking} WebAssembly with vectors of 128 bits (SIMD).`);
  };
  const parcel = await (window.ddpmWidgetHost ? parcelFromScripts(check, progress) : parcelFromKernel(model, check, progress));
  const { description } = parcel;
  const reason = whyNotUNet(description.unet);
  if (reason) throw new Error(reason);
  const size = description.unet.image_size ** 2; // numbers in an image
  const crew = await Promise.all(Array.from({ length: Math.max(1, workers || 1) }, () => loadedWorker(parcel)));
  const tell = (type) => crew.forEach((worker) => worker.postMessage({ type }));

  let walk = 0; // the number of the latest walk; what comes from earlier ones is dropped
  let receive = () => {};
  for (const worker of crew) {
    worker.onmessage = ({ data }) => {
      if (data.walk === walk) receive(data);
    };
    worker.onerror = () => receive({ type: 'failed', message: 'The network’s worker has stopped working.' });
  }
  return {
    description,
    /**
     * Begins a walk in place of the one under way.
     *
     * options: seed; count (of images) and first (the number of the first one; image n of a seed is the same in every grid);
     * sampler 'ancestral' or 'ddim'; clip; for ddim: steps or times, eta; for ancestral: variance 'beta' or 'beta_tilde';
     * x_T: the noise to start from, instead of the seed's.
     * calls: step({ step, of, t, x_t, x_0, seconds }), done({ of, evaluations, seconds }), failed(sentence).
     */
    start({ seed = 1, first = 0, count = 1, sampler = 'ddim', steps = 50, times, eta = 0, variance = 'beta', clip = true, x_T }, { step, done, failed }) {
      walk += 1;
      const hands = Math.min(count, crew.length);
      const come = new Map(); // of each step, the parts that have come
      receive = ({ type, ...part }) => {
        if (type === 'failed') {
          tell('stop');
          walk += 1;
          if (failed) failed(part.message);
          return;
        }
        const name = `${type} ${part.step}`;
        const parts = [...(come.get(name) || []), part];
        come.set(name, parts);
        if (parts.length < hands) return;
        come.delete(name);
        const seconds = Math.max(...parts.map((one) => one.seconds));
        const joined = (field) => {
          const whole = new Float32Array(count * size);
          for (const one of parts) whole.set(one[field], one.place * size);
          return whole;
        };
        const { step: made, of, t, x_0 } = part;
        if (type === 'step' && step) step({ step: made, of, t, x_t: joined('x_t'), x_0: x_0 && joined('x_0'), seconds });
        if (type === 'done' && done) done({ of, evaluations: of * count, seconds });
      };
      crew.forEach((worker, k) => {
        const [place, end] = [Math.floor((k * count) / hands), Math.floor(((k + 1) * count) / hands)];
        const share = { number: first + place, place, count: end - place };
        worker.postMessage(k < hands ? { type: 'start', walk, ...share, seed, sampler, steps, times, eta, variance, clip, x_T } : { type: 'stop' });
      });
    },
    pause: () => tell('pause'),
    resume: () => tell('resume'),
    stop() {
      walk += 1;
      tell('stop');
    },
    close: () => crew.forEach((worker) => worker.terminate()),
  };
}
