//! The terminal while the view is on it. Dropping the screen restores the terminal, also when a panic unwinds.

use super::frame::paint;
use super::state::TopKey;
use crate::error::{CliError, CliResult};
use ratatui_core::style::Color;
use ratatui_core::terminal::Terminal;
use ratatui_core::text::Line;
use ratatui_crossterm::CrosstermBackend;
use ratatui_crossterm::crossterm::cursor::{Hide, Show};
use ratatui_crossterm::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui_crossterm::crossterm::execute;
use ratatui_crossterm::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use std::io::{self, Stdout, stdout};
use std::time::Duration;

/// The screen.
pub(super) struct TopScreen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    color: bool,
    _restore: RestoreTerminal,
}

/// Restores the terminal when it is dropped.
struct RestoreTerminal;

impl Drop for RestoreTerminal {
    fn drop(&mut self) {
        // Nobody can be told of a failure here.
        let _ = execute!(stdout(), LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
    }
}

/// What happened at the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TopInput {
    Key(TopKey),
    Resize,
}

impl TopScreen {
    /// Takes over the terminal.
    pub(super) fn open(color: bool) -> CliResult<Self> {
        let failed = |e: io::Error| {
            CliError::Other(format!("cannot use the terminal: {e}; --once prints the view once"))
        };
        enable_raw_mode().map_err(failed)?;
        let restore = RestoreTerminal;
        execute!(stdout(), EnterAlternateScreen, Hide).map_err(failed)?;
        let terminal = Terminal::new(CrosstermBackend::new(stdout())).map_err(failed)?;
        Ok(TopScreen { terminal, color, _restore: restore })
    }

    /// Columns and lines.
    pub(super) fn size(&self) -> CliResult<(usize, usize)> {
        let size = self.terminal.size()?;
        Ok((size.width.into(), size.height.into()))
    }

    /// Shows lines.
    pub(super) fn show(&mut self, lines: &[Line<'static>]) -> CliResult {
        let color = self.color;
        self.terminal.draw(|frame| {
            let area = frame.area();
            paint(lines, frame.buffer_mut(), area);
            if !color {
                frame.buffer_mut().content.iter_mut().for_each(|cell| {
                    cell.set_fg(Color::Reset);
                });
            }
        })?;
        Ok(())
    }

    /// Waits for input, at most this long.
    pub(super) fn wait(&self, most: Duration) -> CliResult<Option<TopInput>> {
        match event::poll(most) {
            Ok(true) => Ok(input(event::read()?)),
            Ok(false) => Ok(None),
            // A signal; the caller looks which.
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Ok(None),
            Err(e) => Err(e.into()),
        }
    }
}

fn input(event: Event) -> Option<TopInput> {
    match event {
        Event::Resize(..) => Some(TopInput::Resize),
        Event::Key(key) if key.kind != KeyEventKind::Release => key_of(key).map(TopInput::Key),
        _ => None,
    }
}

fn key_of(key: KeyEvent) -> Option<TopKey> {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    Some(match key.code {
        KeyCode::Char('c') if control => TopKey::Interrupt,
        KeyCode::Char('h') if control => TopKey::Backspace,
        KeyCode::Char(_) if control || key.modifiers.contains(KeyModifiers::ALT) => return None,
        KeyCode::Char(c) => TopKey::Char(c),
        KeyCode::Up => TopKey::Up,
        KeyCode::Down => TopKey::Down,
        KeyCode::PageUp => TopKey::PageUp,
        KeyCode::PageDown => TopKey::PageDown,
        KeyCode::Home => TopKey::Home,
        KeyCode::End => TopKey::End,
        KeyCode::Enter => TopKey::Enter,
        KeyCode::Esc => TopKey::Back,
        KeyCode::Backspace => TopKey::Backspace,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_meanings_and_releases_have_none() {
        let press = |code, modifiers| input(Event::Key(KeyEvent::new(code, modifiers)));
        let none = KeyModifiers::NONE;
        assert_eq!(press(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(TopInput::Key(TopKey::Interrupt)));
        assert_eq!(press(KeyCode::Char('c'), none), Some(TopInput::Key(TopKey::Char('c'))));
        assert_eq!(press(KeyCode::Char('x'), KeyModifiers::CONTROL), None);
        assert_eq!(press(KeyCode::Esc, none), Some(TopInput::Key(TopKey::Back)));
        let mut released = KeyEvent::new(KeyCode::Up, none);
        released.kind = KeyEventKind::Release;
        assert_eq!(input(Event::Key(released)), None);
        assert_eq!(input(Event::Resize(1, 1)), Some(TopInput::Resize));
    }
}
