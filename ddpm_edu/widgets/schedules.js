import { html } from './drawing.js';

function render({ el }) {
  el.replaceChildren(html('div', { class: 'ddpm' }));
}

export default { render };
