//! Programs that own the terminal: full screen, job control, resize, interrupts, and a terminal left as it was found.

use bailiwick_testkit::tools;

use bailiwick_testkit::World;

#[test]
fn a_shell_with_job_control_interrupts_and_resize() {
    let world = World::new();
    let mut terminal = world.terminal(["bash", "--norc", "--noprofile", "-i"]);
    let before = terminal.modes();
    terminal.send("PS1='inside> '; echo r\"\"eady\n");
    terminal.expect("ready");
    terminal.resize(40, 120);
    terminal.send("stty size\n");
    terminal.expect("40 120");
    let running = |text: &str| {
        let mark = terminal.mark();
        terminal.send(&format!("sh -c 'echo {}\"\"{}; exec sleep 1000'\n", &text[..1], &text[1..]));
        terminal.expect_since(mark, text);
    };
    running("first");
    terminal.send("\x03");
    terminal.send("echo code=$?\n");
    terminal.expect("code=130");
    running("second");
    terminal.send("\x1a");
    terminal.expect("Stopped");
    terminal.send("kill -KILL %1; while jobs | grep -q Stopped; do :; done; exit 7\n");
    assert_eq!(terminal.wait_for_exit().code(), Some(7));
    let after = terminal.modes();
    assert_eq!(format!("{:?}", before.local_modes), format!("{:?}", after.local_modes));
    assert_eq!(format!("{:?}", before.input_modes), format!("{:?}", after.input_modes));
}

#[test]
fn vim_and_less_use_the_whole_screen() {
    let world = World::new();
    std::fs::write(world.home.workspace().join("text"), "first line\n".to_owned() + &"more\n".repeat(200))
        .unwrap();
    for (program, arguments, quit) in
        [("vim", vec!["vim", "-u", "NONE", "-N", "text"], ":q!\r"), ("less", vec!["less", "text"], "q")]
    {
        if tools::find(program).is_none() {
            tools::not_tested(program, "it is not installed");
            continue;
        }
        let mut terminal = world.terminal(arguments);
        terminal.expect("first line");
        assert!(terminal.is_full_screen(), "{program}");
        terminal.send(quit);
        assert!(terminal.wait_for_exit().success(), "{program}");
        assert!(!terminal.is_full_screen(), "{program} left the screen as it was not");
    }
}

#[test]
fn an_interactive_python_survives_an_interrupt() {
    let world = World::new();
    let mut terminal = world.terminal(["/usr/bin/python3", "-i", "-q"]);
    terminal.expect(">>>");
    // An interrupt just before it sleeps is noticed after it.
    terminal
        .send("import time; print('sl' + 'eeping', flush=True); [time.sleep(.1) for _ in range(10000)]\r");
    terminal.expect("sleeping");
    terminal.send("\x03");
    terminal.expect("KeyboardInterrupt");
    terminal.send("print(6 * 7)\r");
    terminal.expect("42");
    terminal.send("exit()\r");
    assert!(terminal.wait_for_exit().success());
}
