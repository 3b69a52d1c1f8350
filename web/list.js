// The recent jobs, each with its picture, to show, stop or delete.
import { cancelJob, deleteJob, getPicture, listJobs } from './api.js';
import { byId, element } from './dom.js';
import { isFollowed, isOpen, leave } from './job.js';

function button(text, label, act) {
  return element('button', { type: 'button', className: 'quiet small', onclick: act, 'aria-label': label }, text);
}

function moment(date) {
  const today = date.toDateString() === new Date().toDateString();
  return date.toLocaleString([], today ? { timeStyle: 'short' } : { dateStyle: 'medium' });
}

const pictures = new Map(); // by link: promises of the addresses of what was fetched

// An <img> can send no token, so the picture is fetched; once, as that of a job that has ended stays as it is.
function pictureOf(link) {
  if (!pictures.has(link)) pictures.set(link, getPicture(link).then(URL.createObjectURL).catch(() => ''));
  const image = element('img', { alt: '' });
  pictures.get(link).then((address) => { if (address) image.src = address; });
  return image;
}

function forgetAllBut(links) {
  for (const [link, address] of pictures) {
    if (links.has(link)) continue;
    pictures.delete(link);
    address.then(URL.revokeObjectURL);
  }
}

function item(job, show) {
  const made = moment(new Date(job.created_at));
  const picture = job.output ? pictureOf(job.links.preview) : job.state;
  const act = (change) => () => change(job).catch(() => {}).then(() => refresh(show)); // already so: the list tells
  return element('li', {},
    element('button', { type: 'button', className: 'show', onclick: () => show(job.id),
      'aria-label': `Show the job of ${made}, ${job.state}`, 'aria-current': isFollowed(job.id) }, picture),
    element('div', { className: 'line' }, element('span', {}, `${made} · ${job.options.size} px`),
      isOpen(job) ? button('Stop', `Stop the job of ${made}`, act(cancelJob)) : button('Delete', `Delete the job of ${made}`, act(async () => {
        await deleteJob(job);
        leave(job.id);
      }))));
}

let timer, shown;

// Shows the list anew, now and while jobs of it wait or run; `show(id)` is called when a job of it is picked.
export async function refresh(show) {
  clearTimeout(timer);
  const { jobs } = await listJobs().catch(() => ({ jobs: [] }));
  if (jobs.some(isOpen)) timer = setTimeout(() => refresh(show), 5000);
  const now = JSON.stringify(jobs.map(({ id, state }) => [id, state, isFollowed(id)]));
  if (now === shown) return;
  shown = now;
  const list = byId('jobs');
  const focused = list.contains(document.activeElement) && document.activeElement.ariaLabel;
  byId('recent').hidden = jobs.length === 0;
  forgetAllBut(new Set(jobs.map(({ links }) => links.preview)));
  list.replaceChildren(...jobs.map((job) => item(job, show)));
  if (focused) ([...list.querySelectorAll('button')].find((each) => each.ariaLabel === focused) ?? byId('recent')).focus();
}
