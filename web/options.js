// The option fields, made from what the server says of its options and presets.
import { byId, element } from './dom.js';

const foremost = ['preset', 'size', 'resize', 'iterations', 'format'];

function control({ name, type, minimum, maximum, enum: names }) {
  if (names) return element('select', { id: name, name }, ...names.map((each) => element('option', { value: each }, each)));
  return element('input', { id: name, name, type: 'number', min: minimum, max: maximum, step: type === 'integer' ? 1 : 'any', required: true });
}

function field(option) {
  const bounds = option.enum ? '' : ` (${option.minimum} to ${option.maximum}${option.unit && ` ${option.unit}`})`;
  return element('div', { className: 'field' },
    element('label', { htmlFor: option.name }, option.name.replaceAll('_', ' ')), control(option),
    element('span', { className: 'hint' }, option.help + bounds),
    element('p', { className: 'error', id: `${option.name}-error` }));
}

export function setUpOptions(options, { presets, default: initial }) {
  for (const option of options)
    byId(foremost.includes(option.name) ? 'main-options' : 'more-options').append(field(option));
  const apply = (name) => {
    const preset = presets.find((each) => each.name === name);
    for (const [option, value] of Object.entries(preset.options)) byId(option).value = value;
  };
  byId('preset').addEventListener('change', ({ target }) => apply(target.value));
  apply(initial);
}
