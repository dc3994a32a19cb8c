//! Output sizes, and the errors for geometry that cannot be.

use trickbag_kernels::{Axis, Conv, Error, Isa, Window, Write};

use crate::oracle::image;

#[test]
fn output_sizes_follow_pytorch() {
    // Expected sizes from torch.nn.functional.conv2d.
    for (window, input, expected) in [
        (Window::square(3).padding(1), [32, 32], [32, 32]),
        (Window::square(3).padding(1).stride(2), [7, 8], [4, 4]),
        (Window::square(7).padding(3).stride(2), [224, 224], [112, 112]),
        (Window::square(3).dilation(2), [9, 5], [5, 1]),
        (Window::square(1).stride(2), [5, 6], [3, 3]),
        (
            Window { kernel: [3, 2], stride: [1, 3], padding: [2, 0], dilation: [2, 1] },
            [5, 9],
            [5, 3],
        ),
    ] {
        assert_eq!(window.output(input), Ok(expected), "{window:?} on {input:?}");
    }
}

#[test]
fn refuses_windows_that_cannot_be() {
    let (three, width) = (Window::square(3), Axis::Width);
    let zero = |dimension| Err(Error::Zero { dimension });
    let too_large = Err(Error::TooLarge { what: "the window or the padded input" });
    for (window, expected) in [
        (Window::square(0), zero("the window's kernel")),
        (three.stride(0), zero("the window's stride")),
        (three.dilation(0), zero("the window's dilation")),
        (three.dilation(2), Err(Error::WindowTooLarge { axis: width, span: 5, padded: 4 })),
        (three.padding(usize::MAX), too_large),
        (three.padding(usize::MAX / 2), too_large),
        (three.stride(usize::MAX), too_large),
        (three.dilation(usize::MAX), too_large),
        (
            Window::square(usize::MAX),
            Err(Error::WindowTooLarge { axis: Axis::Height, span: usize::MAX, padded: 9 }),
        ),
    ] {
        assert_eq!(window.output([9, 4]), expected, "{window:?}");
    }
}

#[test]
fn refuses_convolutions_that_cannot_be() {
    let one = Window::square(1);
    let new = |input, out_channels, window, groups| {
        Conv::new(input, out_channels, window, groups).map(|conv| conv.output())
    };
    let input = image(1, 2, 2, 4);
    let zero = |dimension| Err(Error::Zero { dimension });
    assert_eq!(new(image(0, 2, 2, 4), 4, one, 1), zero("the batch"));
    assert_eq!(new(image(1, 0, 2, 4), 4, one, 1), zero("the height"));
    assert_eq!(new(image(1, 2, 0, 4), 4, one, 1), zero("the width"));
    assert_eq!(new(image(1, 2, 2, 0), 4, one, 1), zero("the number of channels"));
    assert_eq!(new(input, 0, one, 1), zero("the number of channels"));
    for (out_channels, groups) in [(4, 0), (4, 3), (6, 4)] {
        let expected = Err(Error::Groups { groups, in_channels: 4, out_channels });
        assert_eq!(new(input, out_channels, one, groups), expected);
    }
    for (input, out_channels, window, what) in [
        (image(usize::MAX, 2, 2, 4), 4, one, "the image batch"),
        (input, usize::MAX, one, "the image batch"),
        (image(1, 1, 1, 1 << 40), 1 << 40, one, "the weight"),
    ] {
        assert_eq!(new(input, out_channels, window, 1), Err(Error::TooLarge { what }));
    }
}

#[test]
fn convolution_refuses_slices_that_do_not_fit() {
    let conv = Conv::new(image(1, 2, 2, 1), 3, Window::square(1), 1).unwrap();
    let wrong = |operator, operand, found, expected| {
        Err(Error::Length { operator, operand, found, expected })
    };
    assert_eq!(
        conv.forward(&[0.0; 5], &[0.0; 3], &mut [0.0; 12]),
        wrong("Conv::forward", "x", 5, 4)
    );
    assert_eq!(
        conv.backward_input(&[0.0; 12], &[0.0; 2], Write::Add, &mut [0.0; 4]),
        wrong("Conv::backward_input", "weight", 2, 3)
    );
    assert_eq!(
        conv.backward_weight(&[0.0; 4], &[0.0; 11], &mut [0.0; 3]),
        wrong("Conv::backward_weight", "dy", 11, 12)
    );
}

#[test]
fn messages_say_what_was_found_and_expected() {
    for (error, message) in [
        (
            Error::Length { operator: "Conv::forward", operand: "x", found: 5, expected: 4 },
            "Conv::forward: `x` holds 5 numbers, but its shape needs 4",
        ),
        (
            Error::WindowTooLarge { axis: Axis::Width, span: 5, padded: 4 },
            "the window spans 5 pixels of width, but the padded input has only 4: \
             use a smaller kernel or dilation, or more padding",
        ),
        (
            Error::Groups { groups: 3, in_channels: 4, out_channels: 6 },
            "3 groups do not divide 4 input and 6 output channels evenly",
        ),
    ] {
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn an_instruction_set_holds_for_its_scope_only() {
    for isa in Isa::available() {
        assert_eq!(isa.scope(|| Isa::Portable.scope(|| 1)), Ok(Ok(1)));
    }
    assert!(Isa::available().contains(&Isa::Portable));
}
