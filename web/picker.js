// The two places for pictures: choosing or dropping files, and their thumbnails.
import { element, showError } from './dom.js';

function checked(input, limits) {
  const files = [...input.files];
  const most = input.multiple ? limits.max_styles : 1;
  const tooBig = files.find((file) => file.size > limits.max_file_bytes);
  if (tooBig) return `${tooBig.name} is larger than ${Math.floor(limits.max_file_bytes / (1 << 20))} MiB.`;
  return files.length > most ? `At most ${most} pictures can be used here.` : '';
}

export function setUpPicker(input, limits) {
  const drop = input.closest('.drop');
  const thumbs = drop.querySelector('.thumbs');
  const hint = drop.querySelector('.hint');
  const prompt = hint.textContent;

  input.addEventListener('change', () => {
    showError(input.id, checked(input, limits));
    if (input.files.length === 0 || checked(input, limits) === '') input.removeAttribute('aria-invalid');
    for (const image of thumbs.children) URL.revokeObjectURL(image.src);
    const files = [...input.files];
    thumbs.replaceChildren(...files.map((file) => element('img', { src: URL.createObjectURL(file), alt: '' })));
    hint.textContent = files.map(({ name }) => name).join(', ') || prompt;
    drop.classList.toggle('filled', files.length > 0);
  });

  for (const type of ['dragenter', 'dragover', 'dragleave', 'drop'])
    drop.addEventListener(type, (event) => {
      event.preventDefault();
      drop.classList.toggle('over', type === 'dragenter' || type === 'dragover');
    });
  drop.addEventListener('drop', ({ dataTransfer }) => {
    const files = new DataTransfer();
    for (const file of [...dataTransfer.files].slice(0, input.multiple ? undefined : 1)) files.items.add(file);
    if (files.files.length === 0) return;
    input.files = files.files;
    input.dispatchEvent(new Event('change'));
  });
}
