// The recent jobs, each with its picture, to show, stop or delete.
import { cancelJob, deleteJob, listJobs } from './api.js';
import { byId, element } from './dom.js';
import { isFollowed, isOpen, leave } from './job.js';

function button(text, label, act) {
  return element('button', { type: 'button', className: 'quiet small', onclick: act, 'aria-label': label }, text);
}

function moment(date) {
  const today = date.toDateString() === new Date().toDateString();
  return date.toLocaleString([], today ? { timeStyle: 'short' } : { dateStyle: 'medium' });
}

function item(job, show) {
  const made = moment(new Date(job.created_at));
  const picture = job.output ? element('img', { src: job.links.preview, alt: '', loading: 'lazy' }) : job.state;
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
  list.replaceChildren(...jobs.map((job) => item(job, show)));
  if (focused) ([...list.querySelectorAll('button')].find((each) => each.ariaLabel === focused) ?? byId('recent')).focus();
}
